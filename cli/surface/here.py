"""Commands for the local AWS and this machine."""
# ruff: noqa: PLC0415 - imports are late on purpose; typer calls by name, however many options there are

from pathlib import Path
from typing import Annotated

import typer

from cli.app import LOCAL, Application, AsJson, InAws, Profile, Region, Stack, app, target_of


@app.command(
    rich_help_panel=LOCAL,
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


@app.command(rich_help_panel=LOCAL)
def down() -> int:
    """Stop the local AWS; what it holds is kept."""
    from cli.commands import run

    return run.down()


@app.command(
    rich_help_panel=LOCAL,
    help="Show what runs, and where.\n\nThe exit code is 0 if images can be dropped, else 1.",
)
def status(as_json: AsJson = False, stack: Stack = None, region: Region = None, profile: Profile = None) -> int:
    """Show what runs; the exit code is 0 if images can be dropped, else 1."""
    from cli.commands import look

    return look.status(stack, region, profile, as_json=as_json)


@app.command(
    rich_help_panel=LOCAL,
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
    rich_help_panel=LOCAL,
    help="Open the workflow in the AWS console.\n\n"
    "The local AWS has no web console: there it prints where bucket, table and the others are.",
)
def open_(stack: Stack = None, region: Region = None, profile: Profile = None) -> int:
    """Open the workflow in the AWS console, or say where things are."""
    from cli.commands import look

    return look.open_console(target_of(stack, region, profile))


@app.command(
    rich_help_panel=LOCAL,
    help="Look whether this machine, and with --aws the account, have what is needed.\n\n"
    "Each finding is a sentence and a remedy. The exit code is 1 if something stands in the way.",
)
def doctor(
    as_json: AsJson = False,
    aws: InAws = False,
    stack: Application = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Look whether what is needed is there; 1 if something stands in the way."""
    from cli.commands import doctor as doctor_command

    return doctor_command.run(
        aws=bool(aws or stack or region or profile), region=region, profile=profile, as_json=as_json
    )
