"""Commands for retraining: from labels to a better model, or to none."""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

from typing import Annotated

import typer

from cli.app import MONITORING, AsJson, Profile, Region, Stack, app, target_of

retrain = typer.Typer(
    help="Train with what people labelled, and deploy the new model only if it is better.\n\n"
    "`vehiclevision monitor deploy` sets it up. A run starts by hand, by schedule or when drift is detected, and is "
    "held back as long as labels or budget are missing.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(retrain, name="retrain", rich_help_panel=MONITORING)

NoWait = Annotated[bool, typer.Option("--no-wait", help="Start it and return.")]
VersionNumber = Annotated[
    int | None, typer.Option("--version", metavar="N", min=1, help="This registered version; else the newest.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the version.")]


@retrain.command(
    "start",
    help="Start a run and follow it.\n\n"
    "It looks first whether to go on: labels, hold-out, cool-down, budget. The exit code is 0 if the run did what it "
    "should, also when it was held back or the new model was refused; --json says which.",
)
def retrain_start(
    no_wait: NoWait = False,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Start a run and follow it."""
    from cli.commands import retrain as commands

    return commands.start(target_of(stack, region, profile), wait=not no_wait, as_json=as_json)


@retrain.command("describe", help="Show the latest runs, what came of them, and which models wait for approval.")
def retrain_describe(
    as_json: AsJson = False, stack: Stack = None, region: Region = None, profile: Profile = None
) -> int:
    """Show the latest runs."""
    from cli.commands import retrain as commands

    return commands.describe(target_of(stack, region, profile), as_json=as_json)


@retrain.command("approve", help="Let a better model go live that waits for approval.")
def retrain_approve(
    number: VersionNumber = None,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Let a model go live."""
    from cli.commands import retrain as commands

    return commands.approve(target_of(stack, region, profile), number, as_json=as_json)


@retrain.command("reject", help="Refuse a model that waits for approval; the present one stays.")
def retrain_reject(
    number: VersionNumber = None,
    reason: Reason = "",
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Refuse a model."""
    from cli.commands import retrain as commands

    return commands.reject(target_of(stack, region, profile), number, reason, as_json=as_json)
