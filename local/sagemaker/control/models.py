"""Models: where an artefact lies, and the image that AWS would serve it with."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control.errors import invalid
from local.sagemaker.control.listing import Listing
from local.sagemaker.control.names import MODEL, PACKAGE, arn, key, now
from local.sagemaker.control.resource import Resource
from local.sagemaker.control.script_mode import is_s3
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.serving import SHIPPED_URL
from local.sagemaker.control.store import Record, Store, without_tags

MODELS = Resource(
    MODEL,
    "ModelName",
    Listing("Models", "ModelName"),
    unknown='Could not find model "{arn}".',
    taken='Cannot create already existing model "{arn}".',
)


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateModel."""
    containers = [request["PrimaryContainer"]] if "PrimaryContainer" in request else request.get("Containers", [])
    if len(containers) != 1:
        raise invalid("The local SageMaker serves models of exactly one container: give PrimaryContainer.")
    if "ExecutionRoleArn" not in request:
        raise invalid("1 validation error detected: ExecutionRoleArn is required.")
    address = data_url(service.store, containers[0])
    if not is_s3(address):
        raise invalid("The local SageMaker needs ModelDataUrl, the s3:// address of a model.tar.gz.")
    if address != SHIPPED_URL and not service.engine.exists(address):
        raise invalid(f"Could not find model data at {address}.")
    return MODELS.add(service, request, new_record({**request, "_data_url": address}))


def new_record(request: Request) -> Record:
    """The record of a model."""
    return {
        **without_tags(request),
        "ModelArn": arn(MODEL, request["ModelName"]),
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "CreationTime": now(),
    }


def data_url(store: Store, container: Mapping[str, Any]) -> str:
    """Where a container's artefact lies: named by itself, or by the model package that it names."""
    if "ModelPackageName" in container:
        package = store.get(PACKAGE, key(container["ModelPackageName"]))
        if package is None:
            raise invalid(f"Model package {container['ModelPackageName']} does not exist.")
        return str(package["InferenceSpecification"]["Containers"][0].get("ModelDataUrl", ""))
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(container.get("ModelDataUrl") or source.get("S3Uri", ""))


# An endpoint that serves a deleted one goes on.
OPERATIONS: dict[str, Operation] = MODELS.operations(CreateModel=create)
