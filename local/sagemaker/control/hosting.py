"""What endpoints are made of: models, each an artefact and the image that would serve it in AWS, and configurations."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control.errors import invalid
from local.sagemaker.control.listing import Listing
from local.sagemaker.control.names import ENDPOINT_CONFIG, MODEL, PACKAGE, arn, key, now
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
CONFIGS = Resource(
    ENDPOINT_CONFIG,
    "EndpointConfigName",
    Listing("EndpointConfigs", "EndpointConfigName"),
    unknown='Could not find endpoint configuration "{arn}".',
    taken='Cannot create already existing endpoint configuration "{arn}".',
)
NOT_HERE = ("AsyncInferenceConfig", "ShadowProductionVariants", "ExplainerConfig")


# ---- models --------------------------------------------------------------------------------------


def create_model(service: Service, request: Request) -> Mapping[str, Any]:
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
    return MODELS.add(service, request, new_model({**request, "_data_url": address}))


def new_model(request: Request) -> Record:
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


# ---- configurations ------------------------------------------------------------------------------


def create_config(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateEndpointConfig."""
    _check(service, request)
    return CONFIGS.add(service, request, new_config(request))


def new_config(request: Request) -> Record:
    """The record of a configuration, with the weights that SageMaker fills in."""
    return {
        **without_tags(request),
        "ProductionVariants": [{"InitialVariantWeight": 1.0, **each} for each in request["ProductionVariants"]],
        "EndpointConfigArn": arn(ENDPOINT_CONFIG, request["EndpointConfigName"]),
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "CreationTime": now(),
    }


def _check(service: Service, request: Request) -> None:
    for field in NOT_HERE:
        if field in request:
            raise invalid(f"The local SageMaker has no {field}: leave it out.")
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise invalid("Variant names of an endpoint configuration must be unique.")
    for variant in variants:
        if "ModelName" not in variant:
            raise invalid(f"The local SageMaker needs a ModelName for variant {variant['VariantName']}.")
        MODELS.existing(service, variant["ModelName"])
        _check_capacity(variant)
    if sum(variant.get("InitialVariantWeight", 1.0) for variant in variants) <= 0:
        raise invalid("The sum of all variant weights must be greater than 0.")
    if "DataCaptureConfig" in request:
        _check_capture(request["DataCaptureConfig"], variants)


def _check_capacity(variant: Mapping[str, Any]) -> None:
    name = variant["VariantName"]
    if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
        raise invalid(f"Variant {name} needs either an InstanceType or a ServerlessConfig, not both.")
    if "InstanceType" in variant and "InitialInstanceCount" not in variant:
        raise invalid(f"InitialInstanceCount is required for variant {name}.")


def _check_capture(capture: Mapping[str, Any], variants: list[Mapping[str, Any]]) -> None:
    if any("ServerlessConfig" in variant for variant in variants):
        raise invalid("DataCaptureConfig is not supported for serverless endpoints.")
    if not is_s3(capture["DestinationS3Uri"].rstrip("/") + "/x"):
        raise invalid(f"DestinationS3Uri {capture['DestinationS3Uri']} must begin with s3://")


# An endpoint that serves a deleted one goes on.
OPERATIONS: dict[str, Operation] = {
    **MODELS.operations(CreateModel=create_model),
    **CONFIGS.operations(CreateEndpointConfig=create_config),
}
