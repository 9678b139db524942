"""Deploy the check, or bring it up to date, and check once.

The parameters come from the application's stack, from its endpoint and from SageMaker's side of it.
"""

from typing import Annotated

import typer

from cli import monitoring
from cli.options import Application, AsJson, BaselineFile, YesToQuestions


def command(
    *,
    application: Application,
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
    yes: YesToQuestions = False,
    as_json: AsJson = False,
) -> int:
    """Deploy the check, or bring it up to date."""
    wanted = monitoring.Wanted(baseline, parameters or [], data, model_monitor_image, yes)
    where = monitoring.Where(application.region, application.profile)
    return monitoring.deploy(application.target(), where, wanted, as_json=as_json)
