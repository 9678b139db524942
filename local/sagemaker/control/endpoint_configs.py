"""Endpoint configurations."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control import models, tags
from local.sagemaker.control.errors import invalid
from local.sagemaker.control.listing import Listing, page
from local.sagemaker.control.names import ENDPOINT_CONFIG, arn, key, now
from local.sagemaker.control.script_mode import is_s3
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record

LISTING = Listing("EndpointConfigs", "EndpointConfigName")
NOT_HERE = ("AsyncInferenceConfig", "ShadowProductionVariants", "ExplainerConfig")


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateEndpointConfig."""
    name = request["EndpointConfigName"]
    config = arn(ENDPOINT_CONFIG, name)
    _check(service, request)
    with service.store.lock:
        if service.store.get(ENDPOINT_CONFIG, key(name)) is not None:
            raise invalid(f'Cannot create already existing endpoint configuration "{config}".')
        tags.tag(service.store, config, request.get("Tags", []))
        service.store.put(ENDPOINT_CONFIG, key(name), new_record(request))
    return {"EndpointConfigArn": config}


def new_record(request: Request) -> Record:
    """The record of a configuration, with the weights that SageMaker fills in."""
    return {
        **{field: value for field, value in request.items() if field != "Tags"},
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
        models.existing(service, variant["ModelName"])
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


def existing(service: Service, name: str) -> Record:
    """A configuration's record."""
    record = service.store.get(ENDPOINT_CONFIG, key(name))
    if record is None:
        raise invalid(f'Could not find endpoint configuration "{arn(ENDPOINT_CONFIG, name)}".')
    return record


def describe(service: Service, request: Request) -> Mapping[str, Any]:
    """DescribeEndpointConfig."""
    return existing(service, request["EndpointConfigName"])


def list_configs(service: Service, request: Request) -> Mapping[str, Any]:
    """ListEndpointConfigs."""
    return page(request, service.store.all(ENDPOINT_CONFIG), LISTING)


def delete(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteEndpointConfig; an endpoint that was made with it goes on."""
    with service.store.lock:
        record = existing(service, request["EndpointConfigName"])
        service.store.delete(ENDPOINT_CONFIG, key(request["EndpointConfigName"]))
        tags.forget(service.store, record["EndpointConfigArn"])
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateEndpointConfig": create,
    "DescribeEndpointConfig": describe,
    "ListEndpointConfigs": list_configs,
    "DeleteEndpointConfig": delete,
}
