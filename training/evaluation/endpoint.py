"""Asking a SageMaker endpoint about many pictures: a few at a time, each answer checked, each one timed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from training.data.extract import Listener
from training.data.threads import all_in_threads
from training.errors import EndpointFailedError
from training.evaluation.scores import Numbers
from vehiclevision.errors import EndpointMissingError, InvalidPredictionError, VehicleVisionError
from vehiclevision.labels import LABELS
from vehiclevision.prediction import Prediction, predict
from vehiclevision.requests import Picture

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

AT_A_TIME: Final = 8
CONTENT_TYPE: Final = "image/jpeg"


@dataclass(frozen=True)
class Latency:
    """How long answers took, in milliseconds, so many being asked for at a time."""

    p50: float
    p99: float
    at_a_time: int

    @classmethod
    def of(cls, milliseconds: Sequence[float], at_a_time: int) -> "Latency":
        """Of at least one answer."""
        p50, p99 = np.percentile(milliseconds, [50, 99]).round(3).tolist()
        return cls(p50, p99, at_a_time)


@dataclass(frozen=True)
class Asked:
    """The endpoint's answers [n, labels], how long they took, and who answered."""

    answers: Numbers
    latency: Latency
    model_versions: tuple[str, ...]


def ask(runtime: "SageMakerRuntimeClient", endpoint_name: str, files: Sequence[bytes], listener: Listener) -> Asked:
    """Send every file as the workflow does; the client's settings say how often a request is tried again."""
    timed = all_in_threads(partial(_timed, runtime, endpoint_name), files, AT_A_TIME, listener)
    answers = np.array([prediction.answer.confidences for prediction, _ in timed])
    versions = {prediction.model_version for prediction, _ in timed}
    return Asked(answers, Latency.of([taken for _, taken in timed], AT_A_TIME), tuple(sorted(versions)))


def _timed(runtime: "SageMakerRuntimeClient", endpoint_name: str, file: bytes) -> tuple[Prediction, float]:
    started = time.perf_counter()
    try:
        prediction = predict(runtime, endpoint_name, Picture(file, CONTENT_TYPE))
    except EndpointMissingError as error:
        raise EndpointFailedError(
            f"There is no endpoint {endpoint_name}.", "Check its name, the account and the region."
        ) from error
    except InvalidPredictionError as error:
        raise EndpointFailedError(
            f"The endpoint {endpoint_name} does not answer as a model of ours: {error}.",
            f"Check that it serves a probability for each of {', '.join(LABELS)}, in this order.",
        ) from error
    except VehicleVisionError as error:
        cause = " ".join(str(error.__cause__ or error).split())[:300]
        raise EndpointFailedError(
            f"The endpoint {endpoint_name} gave no usable answer ({type(error).__name__}): {cause}",
            "Half of an evaluation would mislead, so it ended. Mend that, then run it again.",
        ) from error
    return prediction, 1000 * (time.perf_counter() - started)
