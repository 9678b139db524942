"""Rekognition and Bedrock as an evaluation asks them: which one is meant, and what it means if it cannot be asked."""

import time
from typing import Final

from botocore.exceptions import ClientError

from training.errors import EvaluationRefusedError, ServiceFailedError
from vehiclevision.opinion import Bedrock, Rekognition, Said, Service, milliseconds_since, of_no_use
from vehiclevision.settings import BEDROCK, REKOGNITION

_NO_ACCESS: Final = frozenset({"AccessDeniedException", "UnrecognizedClientException"})
_THROTTLED: Final = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException"})
# Rekognition says so of a picture that it does not take; all else is no fault of the picture.
_REFUSED_PICTURE: Final = frozenset(
    {"InvalidImageFormatException", "ImageTooLargeException", "InvalidParameterException"}
)


def bedrock_model(text: str) -> str | None:
    """The model of `bedrock:MODEL`, or None of `rekognition`; anything else is refused."""
    service, _, model_id = text.partition(":")
    if text == REKOGNITION or (service == BEDROCK and model_id.strip() == model_id != "" and model_id.isprintable()):
        return model_id or None
    raise EvaluationRefusedError(
        "It is not clear whose answers to compare with.",
        "Give rekognition, or bedrock:MODEL with the id of a model that takes pictures.",
    )


def ask(service: Service, region: str, jpeg: bytes) -> Said:
    """What a service says of a picture; ServiceFailedError where it cannot be asked."""
    began = time.perf_counter()
    try:
        return service.ask(jpeg)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if isinstance(service, Rekognition) and code in _REFUSED_PICTURE:
            return of_no_use("it does not take the picture", milliseconds_since(began))
        raise _failed(service, region, code, error) from error


def _failed(service: Service, region: str, code: str, error: ClientError) -> ServiceFailedError:
    if code in _THROTTLED:
        return ServiceFailedError(f"AWS asks to slow down ({service.words}).", "Wait a minute.")
    if code in _NO_ACCESS and isinstance(service, Bedrock):
        return ServiceFailedError(
            f"AWS denies {service.words} to these credentials.",
            f"They need bedrock:InvokeModel on it, and the account access to the model in {region}.",
        )
    if code in _NO_ACCESS:
        return ServiceFailedError(
            "AWS denies rekognition:DetectLabels to these credentials.", "Have it granted to the user or role."
        )
    if code in ("ResourceNotFoundException", "ValidationException") and isinstance(service, Bedrock):
        return ServiceFailedError(
            f"Bedrock in {region} does not take this for {service.model_id}: {_message(error)}",
            "See `aws bedrock list-foundation-models`; many models answer only under the id of an inference profile.",
        )
    return ServiceFailedError(f"{service.words} gave no answer ({code}): {_message(error)}", "Mend that.")


def _message(error: ClientError) -> str:
    return " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:300]
