"""Commands for the scheduled check of what an endpoint captures."""
# ruff: noqa: PLC0415, PLR0917 - imports are late on purpose; typer calls by name, however many options there are

from typing import Annotated

import typer

from cli.app import MONITORING, AsJson, BaselineFile, Profile, Region, Stack, app, target_of

monitor = typer.Typer(
    help="Check what the endpoint captures, every day or now.\n\n"
    "The check is a second small application beside the first: it compares captured pictures and answers with a "
    "baseline, counts, raises alarms and announces DriftDetected. In their order: deploy, check, describe, remove.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(monitor, name="monitor", rich_help_panel=MONITORING)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@monitor.command(
    "deploy",
    help="Deploy the check, or bring it up to date, and check once.\n\n"
    "The parameters come from the application's stack, from its endpoint and from SageMaker's side of it.",
)
def monitor_deploy(
    baseline: BaselineFile = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            metavar="NAME=VALUE",
            help="A parameter of monitoring/template.yaml or retraining/template.yaml; repeatable.",
        ),
    ] = None,
    data: Annotated[
        str, typer.Option("--data", metavar="S3", help="Retrain with this training data; else with the last loaded.")
    ] = "",
    model_monitor_image: Annotated[
        str | None,
        typer.Option(
            "--model-monitor-image",
            metavar="URI",
            help="Also run SageMaker Model Monitor's own schedule, with its image of your region. New customers "
            "cannot have it.",
        ),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Deploy the check, or bring it up to date."""
    from cli.commands import monitor as commands

    wanted = commands.Wanted(baseline, parameters or [], data, model_monitor_image, yes)
    return commands.deploy(target_of(stack, region, profile), commands.Where(region, profile), wanted, as_json=as_json)


@monitor.command(
    "check",
    help="Check now, up to this minute, and say what changed.\n\n"
    "It does all that a scheduled check does. The exit code is 0 if the check was made, whatever it found.",
)
def monitor_check(
    hours: Annotated[
        int | None, typer.Option("--hours", metavar="N", min=1, max=744, help="Look back so far; else as deployed.")
    ] = None,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Check now."""
    from cli.commands import monitor as commands

    return commands.check(target_of(stack, region, profile), hours, as_json=as_json)


@monitor.command("describe", help="Show schedule, alarms, baseline and what the last check found.")
def monitor_describe(
    as_json: AsJson = False, stack: Stack = None, region: Region = None, profile: Profile = None
) -> int:
    """Show what there is."""
    from cli.commands import monitor as commands

    return commands.describe(target_of(stack, region, profile), as_json=as_json)


@monitor.command("remove", help="Take the check away; what it wrote stays, and so do captured requests.")
def monitor_remove(
    yes: Yes = False,
    as_json: AsJson = False,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
) -> int:
    """Take the check away."""
    from cli.commands import monitor as commands

    return commands.remove(target_of(stack, region, profile), yes=yes, as_json=as_json)
