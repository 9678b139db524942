"""Asking the SageMaker endpoint, and believing only an answer that can be true."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from vehiclevision.answer import Answer, checked
from vehiclevision.errors import (
    EndpointMissingError,
    EndpointModelError,
    EndpointRefusedError,
    EndpointThrottledError,
    EndpointUnavailableError,
    InvalidPredictionError,
)
from vehiclevision.requests import Picture

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

MAX_ANSWER_BYTES: Final = 4096

_BY_CODE: Final[Mapping[str, type[Exception]]] = {
    "ThrottlingException": EndpointThrottledError,
    "TooManyRequestsException": EndpointThrottledError,
    "RequestLimitExceeded": EndpointThrottledError,
    "ModelNotReadyException": EndpointUnavailableError,
    "ServiceUnavailable": EndpointUnavailableError,
    "ServiceUnavailableException": EndpointUnavailableError,
    "InternalFailure": EndpointUnavailableError,
    "InternalDependencyException": EndpointUnavailableError,
    "InternalServerException": EndpointUnavailableError,
    "ModelError": EndpointModelError,
}
# A missing endpoint has no error code of its own: AWS answers ValidationError with this sentence.
_MISSING: Final = re.compile(r"^Endpoint \S+ of account \S+ not found", re.IGNORECASE)
_MODEL_VERSION: Final = re.compile(r"(?:^|[,;\s])model_version=([\w.:/-]{1,64})")


@dataclass(frozen=True)
class Prediction:
    """The endpoint's answer, the version of the model that gave it, and the endpoint's variant that serves it."""

    answer: Answer
    model_version: str
    variant: str


def predict(
    runtime: "SageMakerRuntimeClient", endpoint_name: str, picture: Picture, inference_id: str | None = None
) -> Prediction:
    """Send the picture to the endpoint as what it is, and return its checked answer; what is captured has the id."""
    named: dict[str, Any] = {"InferenceId": inference_id} if inference_id else {}
    try:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint_name,
            ContentType=picture.content_type,
            Accept="application/json",
            Body=picture.content,
            **named,
        )
        with response["Body"] as body:
            text = body.read(MAX_ANSWER_BYTES + 1)
    except ClientError as exc:
        raise _translate(exc, endpoint_name) from exc
    except BotoCoreError as exc:
        raise EndpointUnavailableError(f"endpoint {endpoint_name} could not be reached; the step is retried") from exc
    said = _MODEL_VERSION.search(response.get("CustomAttributes", ""))
    variant = response.get("InvokedProductionVariant", "unknown")
    return Prediction(checked(_decode(text)), said.group(1) if said else variant, variant)


def _decode(text: bytes) -> list[Any]:
    if len(text) > MAX_ANSWER_BYTES:
        raise InvalidPredictionError(f"the endpoint's answer is longer than {MAX_ANSWER_BYTES} bytes")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidPredictionError("the endpoint's answer is not JSON") from exc
    if not isinstance(values, list):
        raise InvalidPredictionError("the endpoint's answer is not a list")
    return values


def _translate(error: ClientError, endpoint_name: str) -> Exception:
    details = error.response.get("Error", {})
    code = details.get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "ValidationError" and _MISSING.match(details.get("Message", "")):
        return EndpointMissingError(f"there is no endpoint {endpoint_name}; deploy a model or set EndpointName")
    # A container that is too busy says so; whatever else it says is the model's own fault.
    if code == "ModelError" and error.response.get("OriginalStatusCode") == HTTPStatus.SERVICE_UNAVAILABLE:
        return EndpointUnavailableError(f"endpoint {endpoint_name}: the model is too busy; the step is retried")
    if known := _BY_CODE.get(code):
        return known(f"endpoint {endpoint_name}: {code}; the step is retried")
    if status >= 500:
        return EndpointUnavailableError(f"endpoint {endpoint_name}: status {status}; the step is retried")
    return EndpointRefusedError(f"endpoint {endpoint_name} refused the request ({code or status}); check role and name")
