"""AWS JSON 1.1 by botocore's model of the service that is spoken to."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import botocore.loaders
from botocore.model import ServiceModel

from local.sagemaker.control.errors import ServiceError
from local.sagemaker.control.validation import checked, known


@functools.lru_cache
def load_model(service: str = "sagemaker") -> ServiceModel:
    """botocore's model of a service; SageMaker's takes a fifth of a second."""
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def parse(model: ServiceModel, operation: str, body: bytes) -> dict[str, Any]:
    """The request of an operation, checked."""
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ServiceError("SerializationException", "The request is no JSON.") from error
    shape = model.operation_model(operation).input_shape
    if shape is None:
        return {}
    if not isinstance(request, dict):
        raise ServiceError("SerializationException", "The request is no JSON object.")
    return dict(checked(request, shape))


def compose(model: ServiceModel, operation: str, answer: Mapping[str, Any]) -> str:
    """The answer with exactly what the operation's output may hold; times are seconds since 1970."""
    shape = model.operation_model(operation).output_shape
    return json.dumps(known(answer, shape)) if shape is not None else ""
