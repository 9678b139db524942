"""Commands for images and what becomes of them."""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.app import IMAGES, AsJson, Profile, Region, Stack, Timeout, app, target_of
from cli.errors import USAGE, CommandError
from vehiclevision.record import Outcome


@app.command(
    rich_help_panel=IMAGES,
    help="Upload images and print what becomes of each.\n\n"
    "A file of a folder keeps its path from there; files that would get the same key also get the names of folders "
    "above. Links out of a folder are left out. "
    "The exit code is 0 if each file ended with a record other than FAILED, else 1.",
)
def drop(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files, or folders with all that is in them.")],
    as_json: AsJson = False,
    timeout: Timeout = 600,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Upload images and print what becomes of each; 0 if all ended well."""
    from cli.commands import drop as drop_command

    missing = [path for path in paths if not os.path.lexists(path)]
    if missing:
        from cli.display import printable

        names = ", ".join(printable(str(path)) for path in missing[:3])
        raise CommandError(f"There is no {names}.", "Nothing was uploaded. Check the path.", USAGE)
    return drop_command.drop(lambda: target_of(stack, region, profile), paths, timeout, as_json=as_json)


@app.command(rich_help_panel=IMAGES)
def start(
    bucket: Annotated[str, typer.Argument(metavar="BUCKET", help="The bucket that holds the image.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="The image's whole key.")],
    version_id: Annotated[
        str | None, typer.Option("--version-id", metavar="V", help="This version of it; else the newest.")
    ] = None,
    as_json: AsJson = False,
    timeout: Timeout = 600,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Run the workflow by hand for one object."""
    from cli.commands import drop as drop_command

    return drop_command.start(target_of(stack, region, profile), bucket, key, version_id, timeout, as_json=as_json)


@app.command(rich_help_panel=IMAGES)
def results(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="A whole key, for all its versions, or the end of one.")
    ] = None,
    outcome: Annotated[
        Outcome | None,
        typer.Option(
            "--outcome",
            metavar="OUTCOME",
            case_sensitive=False,
            help=f"Only {', '.join(list(Outcome)[:-1])} or {list(Outcome)[-1]}.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """List what became of images, newest first."""
    from cli.commands import read

    return read.results(
        target_of(stack, region, profile), key, outcome.value if outcome else None, limit, as_json=as_json
    )


@app.command(rich_help_panel=IMAGES)
def logs(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A whole key, or a file name: its newest run.")],
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Tell the story of one image: its run and its log lines."""
    from cli.commands import read

    return read.logs(target_of(stack, region, profile), key, as_json=as_json)
