"""The command with which a person decides what the model could not."""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

from enum import StrEnum
from typing import Annotated

import typer

from cli.app import IMAGES, AsJson, Profile, Region, Stack, app, target_of


class Label(StrEnum):
    """What a person can say of a picture."""

    BICYCLE = "bicycle"
    MOTORCYCLE = "motorcycle"
    NEITHER = "neither"


review = typer.Typer(
    help="Decide what the model could not, and check a sample of what it was sure of.\n\n"
    "Without a subcommand it goes through all that waits, one picture after another. "
    "Each label is recorded as a person's, announced as VehicleReviewed, and kept to learn from.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(review, name="review", rich_help_panel=IMAGES)

Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")]
Sure = Annotated[
    bool, typer.Option("--sure/--no-sure", help="Also the drawn sample of sure answers, after those that wait.")
]


@review.callback()
def review_all(
    context: typer.Context,
    limit: Limit = 100,
    sure: Sure = True,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int | None:
    """Go through what waits, in the terminal."""
    if context.invoked_subcommand is not None:
        return None
    from cli.commands import review as commands

    return commands.go_through(target_of(stack, region, profile), limit, sure=sure)


@review.command("list", help="List what waits for a person: unsure answers, oldest first, then sampled sure ones.")
def review_list(
    limit: Limit = 100,
    sure: Sure = True,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """List what waits."""
    from cli.commands import review as commands

    return commands.list_waiting(target_of(stack, region, profile), limit, sure=sure, as_json=as_json)


@review.command("label", help="Say what a picture shows. Any classified image may be named, sure answers too.")
def review_label(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A whole key, or the end of one: its newest version.")],
    label: Annotated[Label, typer.Argument(metavar="LABEL", help="bicycle, motorcycle or neither.")],
    again: Annotated[bool, typer.Option("--again", help="Overrule what a person said before.")] = False,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Label one image."""
    from cli.commands import review as commands

    return commands.label_one(target_of(stack, region, profile), key, label.value, again=again, as_json=as_json)
