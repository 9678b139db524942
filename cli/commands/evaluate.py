"""The `evaluate` command: a model file, or an endpoint of the local AWS or of a stack's account, measured."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cli.display import notes
from cli.errors import FAILURE, INTERRUPTED, USAGE, CommandError
from cli.target import Target
from training.artefact import DEFAULT_MODEL
from training.data.errors import DataError
from training.errors import EndpointFailedError, ModelError
from training.evaluate import Bars, Endpoint, Request, costs_given, evaluate, finish

SUCCESS = 0


def run(
    request: Request, find_target: Callable[[], Target], endpoint_name: str | None, out: Path | None, *, as_json: bool
) -> int:
    """Measure, print, and write the page with its JSON; with --json and without --out nothing is written."""
    try:
        if endpoint_name is not None:
            runtime = find_target().client("sagemaker-runtime")
            request = replace(request, endpoint=Endpoint(endpoint_name, runtime))
        finish(evaluate(request, Bars()), out, as_json=as_json)
    except KeyboardInterrupt:
        notes().print("Stopped. Nothing was written.")
        return INTERRUPTED
    except EndpointFailedError as error:
        raise CommandError(error.message, error.hint, FAILURE) from error
    except (ModelError, DataError) as error:
        raise CommandError(error.message, error.hint, USAGE) from error
    return SUCCESS


def request(
    folder: Path | None,
    data: Path | None,
    model: Path | None,
    threshold: float | None,
    costs: tuple[float | None, float | None, float],
    *,
    robustness: bool | None,
) -> Request:
    """The options as one request."""
    try:
        return Request(
            folder=folder,
            data=data,
            model=model or DEFAULT_MODEL,
            threshold=threshold,
            costs=costs_given(*costs),
            robustness=robustness,
        )
    except ModelError as error:
        raise CommandError(error.message, error.hint, USAGE) from error
