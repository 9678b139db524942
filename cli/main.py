"""The `vehiclevision` command: what can be typed, and nothing of how it is done.

Everything else is imported by the command that needs it: `--help` must not wait for an SDK.
"""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

import os
import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import FAILURE, INTERRUPTED, USAGE, CommandError

if TYPE_CHECKING:
    from cli.target import Target

DEBUG_VARIABLE = "VEHICLEVISION_DEBUG"
SUCCESS = 0

app = typer.Typer(
    name="vehiclevision",
    help="Is it a bicycle or a motorcycle, how sure is that, and where does the rider go?\n\n"
    "The commands work on the local AWS of this machine, or with --stack on a stack in AWS.",
    epilog="VEHICLEVISION_DIRECTORY names another folder for the state of the local AWS than .local in the checkout.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LOCAL = "The local AWS"
_IMAGES = "Images"


class Outcome(StrEnum):
    """How an image can end."""

    CLASSIFIED = "CLASSIFIED"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


Stack = Annotated[
    str | None,
    typer.Option(
        "--stack", metavar="NAME", help="Work on this stack in AWS instead of the local AWS.", rich_help_panel="Where"
    ),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="REGION", help="AWS region of the stack.", rich_help_panel="Where"),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="AWS profile to sign in with.", rich_help_panel="Where"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line and nothing else.")]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=1, help="Stop waiting when nothing has ended for so many seconds."
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"vehiclevision {version('vehiclevision')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(
    rich_help_panel=_LOCAL,
    help="Start the local AWS with the application in it.\n\n"
    "It takes no account and no Docker. Without --detach it runs until Ctrl-C. "
    "What it holds is kept for the next start.",
)
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when it is up; `vehiclevision down` stops it.")
    ] = False,
) -> int:
    """Start the local AWS; without --detach, keep it up until Ctrl-C."""
    from cli.commands import run

    return run.up(detach=detach)


@app.command(rich_help_panel=_LOCAL)
def down() -> int:
    """Stop the local AWS; what it holds is kept."""
    from cli.commands import run

    return run.down()


@app.command(
    rich_help_panel=_LOCAL,
    help="Show what runs, and where.\n\nThe exit code is 0 if images can be dropped, else 1.",
)
def status(as_json: AsJson = False, stack: Stack = None, region: Region = None, profile: Profile = None) -> int:
    """Show what runs; the exit code is 0 if images can be dropped, else 1."""
    from cli.commands import look

    return look.status(stack, region, profile, as_json=as_json)


@app.command(
    rich_help_panel=_LOCAL,
    help="Classify sample pictures end to end here.\n\n"
    "Starts the local AWS, drops the pictures, shows what became of each and which events were announced, "
    "and stops the local AWS again if it was not up before. "
    "The exit code is 0 if every picture came through, and of the drawn samples at least one was classified.",
)
def demo(
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGES", help="Your own pictures or folders of them, instead of the drawn samples."),
    ] = None,
) -> int:
    """Classify pictures end to end; 0 if every one came through."""
    from cli.commands import demo as demo_command

    return demo_command.run(images or [])


@app.command(
    "open",
    rich_help_panel=_LOCAL,
    help="Open the workflow in the AWS console.\n\n"
    "The local AWS has no web console: there it prints where bucket, table and the others are.",
)
def open_(stack: Stack = None, region: Region = None, profile: Profile = None) -> int:
    """Open the workflow in the AWS console, or say where things are."""
    from cli.commands import look

    return look.open_console(_target(stack, region, profile))


@app.command(
    rich_help_panel=_IMAGES,
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
    return drop_command.drop(lambda: _target(stack, region, profile), paths, timeout, as_json=as_json)


@app.command(rich_help_panel=_IMAGES)
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

    return drop_command.start(_target(stack, region, profile), bucket, key, version_id, timeout, as_json=as_json)


@app.command(rich_help_panel=_IMAGES)
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
            help="Only CLASSIFIED, NEEDS_REVIEW, REJECTED or FAILED.",
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
        _target(stack, region, profile), key, outcome.value if outcome else None, limit, as_json=as_json
    )


@app.command(rich_help_panel=_IMAGES)
def logs(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A whole key, or a file name: its newest run.")],
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Tell the story of one image: its run and its log lines."""
    from cli.commands import read

    return read.logs(_target(stack, region, profile), key, as_json=as_json)


def _target(stack: str | None, region: str | None, profile: str | None) -> "Target":
    from cli import target

    return target.find(stack, region, profile)


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong becomes a sentence."""
    try:
        code = app(args=list(arguments), prog_name="vehiclevision", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:  # the outermost handler: it ends the command, in words
        return _report(error)
    return code if isinstance(code, int) else SUCCESS


def _report(error: Exception) -> int:
    from typer.rich_utils import rich_format_error

    from cli.display import notes, printable
    from cli.explanations import explain

    if hasattr(error, "format_message"):
        rich_format_error(error)  # type: ignore[arg-type]
        return USAGE
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    console, explained = notes(), explain(error)
    if explained is None:
        console.print(
            f"Error: vehiclevision itself is at fault ({type(error).__name__}: {printable(str(error))[:200]})."
        )
        console.print(f"Run it again with {DEBUG_VARIABLE}=1 to see where, and report that.")
        return FAILURE
    console.print(f"Error: {printable(explained.message)}", style="bold red")
    if explained.hint:
        console.print(printable(explained.hint))
    return explained.exit_code


def run() -> None:
    """The entry point of the installed command."""
    # Asked to end in another way, a command cleans up just as it does on Ctrl-C; nohup's ignoring is left alone.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
