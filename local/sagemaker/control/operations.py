"""Every operation of the control plane, and the service that they work on."""

from pathlib import Path

from local.sagemaker.control import (
    bootstrap,
    endpoints,
    hosting,
    registry,
    scaling,
    tags,
    training_operations,
    tuning_operations,
)
from local.sagemaker.control.service import Operation, Service
from local.sagemaker.control.settings import Settings

OPERATIONS: dict[str, Operation] = {
    **training_operations.OPERATIONS,
    **tuning_operations.OPERATIONS,
    **hosting.OPERATIONS,
    **endpoints.OPERATIONS,
    **registry.OPERATIONS,
    **tags.OPERATIONS,
}

# What a request's target begins with, the service in botocore, and its operations here.
APIS: dict[str, tuple[str, dict[str, Operation]]] = {
    "SageMaker": ("sagemaker", OPERATIONS),
    "AnyScaleFrontendService": ("application-autoscaling", scaling.OPERATIONS),
}


def make_service(directory: Path, settings: Settings) -> Service:
    """The service of a state folder, going on with what its last stop cut off."""
    service = Service(directory, settings)
    bootstrap.adopt(service.store)
    service.resume()
    return service
