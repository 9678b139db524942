"""The `vehiclevision` program and the options that its commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.target import Target

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

LOCAL = "The local AWS"
IMAGES = "Images"
MODEL = "The model"
MONITORING = "Monitoring"

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
Application = Annotated[
    str | None,
    typer.Option(
        "--stack",
        metavar="NAME",
        help="The application in AWS whose endpoint this is, deployed already or not.",
        rich_help_panel="Where",
    ),
]
BaselineFile = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="Compare with this; else with the shipped model's own."),
]
InAws = Annotated[bool, typer.Option("--aws", help="Work in AWS instead of the local AWS.", rich_help_panel="Where")]


def target_of(stack: str | None, region: str | None, profile: str | None) -> "Target":
    """The stack that was named, or the local AWS."""
    from cli import target  # noqa: PLC0415 - `--help` must not wait for an SDK

    return target.find(stack, region, profile)
