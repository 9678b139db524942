"""Models: where an artefact lies, and the image that AWS would serve it with."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control import tags
from local.sagemaker.control.errors import invalid
from local.sagemaker.control.listing import Listing, page
from local.sagemaker.control.names import MODEL, PACKAGE, arn, key, now
from local.sagemaker.control.script_mode import is_s3
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.serving import SHIPPED_URL
from local.sagemaker.control.store import Record, Store

LISTING = Listing("Models", "ModelName")


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateModel."""
    model = arn(MODEL, request["ModelName"])
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
    with service.store.lock:
        if service.store.get(MODEL, key(request["ModelName"])) is not None:
            raise invalid(f'Cannot create already existing model "{model}".')
        tags.tag(service.store, model, request.get("Tags", []))
        service.store.put(MODEL, key(request["ModelName"]), new_record({**request, "_data_url": address}))
    return {"ModelArn": model}


def new_record(request: Request) -> Record:
    """The record of a model."""
    return {
        **{field: value for field, value in request.items() if field != "Tags"},
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


def image(store: Store, record: Record) -> str:
    """The image that AWS would serve a model with."""
    container = record.get("PrimaryContainer") or record["Containers"][0]
    if "ModelPackageName" in container:
        package = store.get(PACKAGE, key(container["ModelPackageName"])) or {}
        container = package.get("InferenceSpecification", {}).get("Containers", [{}])[0]
    return str(container.get("Image", ""))


def existing(service: Service, name: str) -> Record:
    """A model's record."""
    record = service.store.get(MODEL, key(name))
    if record is None:
        raise invalid(f'Could not find model "{arn(MODEL, name)}".')
    return record


def describe(service: Service, request: Request) -> Mapping[str, Any]:
    """DescribeModel."""
    return existing(service, request["ModelName"])


def list_models(service: Service, request: Request) -> Mapping[str, Any]:
    """ListModels."""
    return page(request, service.store.all(MODEL), LISTING)


def delete(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteModel; an endpoint that serves it goes on."""
    with service.store.lock:
        record = existing(service, request["ModelName"])
        service.store.delete(MODEL, key(request["ModelName"]))
        tags.forget(service.store, record["ModelArn"])
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateModel": create,
    "DescribeModel": describe,
    "ListModels": list_models,
    "DeleteModel": delete,
}
