"""Measure a model on pictures it never saw.

FOLDER has a folder per class; those not named after a label count as neither. It answers by the shipped model, by
--model, or by --endpoint of the local AWS or of an account. It writes a page and JSON beside it; with --json it prints
the JSON, and writes only with --out.

--against has Amazon Rekognition or a model on Amazon Bedrock answer as well, on the same photos, in your account. It
says what that costs and asks first. Each answer is kept in a file as soon as it is there, with --json too: whatever
stops it, the same command goes on where it was and pays for nothing twice.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cli.comparing import Against, compare
from cli.display import notes
from cli.errors import FAILURE, INTERRUPTED, SUCCESS, USAGE, CommandError
from cli.options import Application, AsJson, argument, flag, option
from lifecycle import stacks
from training.artefact import DEFAULT_MODEL
from training.data.errors import DataError
from training.errors import EndpointFailedError, ModelError, ServiceFailedError
from training.evaluate import GIVEN, Endpoint, Request, evaluate, finish
from training.evaluation.costs import Costs
from training.progress import bars


class Split(StrEnum):
    """Which part of the training data is measured."""

    VALIDATION = "validation"


def command(
    *,
    application: Application,
    folder: Annotated[Path | None, argument("FOLDER", "Pictures, a folder per class.")] = None,
    split: Annotated[Split | None, option("--split", "validation", "This part of --data instead of a folder.")] = None,
    data: Annotated[Path | None, option("--data", "DIR", "The data that the model was trained on.")] = None,
    model: Annotated[Path | None, option("--model", "FILE", "A model.tar.gz.")] = None,
    endpoint: Annotated[str | None, option("--endpoint", "NAME", "Ask this SageMaker endpoint.")] = None,
    threshold: Annotated[
        float | None,
        option("--threshold", "X", "Confidence that counts; else the application's or the model's.", min=0, max=1),
    ] = None,
    wrong_cost: Annotated[float | None, option("--wrong-cost", "X", "What a wrong route costs.", min=0)] = None,
    review_cost: Annotated[float | None, option("--review-cost", "Y", "What a manual review costs.", min=0)] = None,
    vehicle_share: Annotated[
        float, option("--vehicle-share", "S", "Share of uploads with a vehicle.", min=0, max=1)
    ] = 0.5,
    robustness: Annotated[
        bool | None, flag("--robustness/--no-robustness", "Worsened pictures as well; by default with a model file.")
    ] = None,
    against: Against,
    out: Annotated[Path | None, option("--out", "PAGE", "Where the page goes; else evaluation.html.")] = None,
    as_json: AsJson = False,
) -> int:
    """Measure, print, and write the page with its JSON; with --json and without --out nothing is written."""
    if (folder is None) == (split is None) or (split is None) != (data is None):
        raise CommandError(
            "It is not clear what to measure.", "Give FOLDER, or --split validation with --data DIR.", USAGE
        )
    if model is not None and endpoint is not None:
        raise CommandError("--model and --endpoint exclude each other.", "Give one of them.", USAGE)
    if (wrong_cost is None) != (review_cost is None):
        raise CommandError("--wrong-cost and --review-cost go together.", "Give both, or neither.", USAGE)
    if endpoint is None and application.is_named and against.service is None:
        raise CommandError(
            "--stack, --region and --profile belong to --endpoint or --against.", "Add --endpoint NAME.", USAGE
        )
    try:
        other = against.asked(application, folder)
        costs = asked = None
        threshold_from = GIVEN
        if wrong_cost is not None and review_cost is not None:
            costs = Costs(wrong_cost, review_cost, vehicle_share)
        if endpoint is not None:
            target = application.target()
            asked = Endpoint(endpoint, target.client("sagemaker-runtime"))
            own = stacks.parameters(stacks.described(target.client, target.stack))
            if threshold is None and own.get("EndpointName") == endpoint:
                threshold, threshold_from = float(own["ConfidenceThreshold"]), f"that of the application {target.stack}"
        request = Request(
            folder=folder,
            data=data,
            model=model or DEFAULT_MODEL,
            endpoint=asked,
            threshold=threshold,
            threshold_from=threshold_from,
            costs=costs,
            robustness=robustness,
        )
        with bars() as bar:
            evaluation = evaluate(request, bar)
        if other is not None:
            evaluation = compare(evaluation, other, against, out)
        finish(evaluation, out, as_json=as_json)
    except KeyboardInterrupt:
        notes().print("Stopped. No page was written.")
        return INTERRUPTED
    except (EndpointFailedError, ServiceFailedError) as error:
        raise CommandError(error.message, error.hint, FAILURE) from error
    except (ModelError, DataError) as error:
        raise CommandError(error.message, error.hint, USAGE) from error
    return SUCCESS
