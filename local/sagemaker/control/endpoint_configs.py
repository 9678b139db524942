"""Endpoint configurations."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control import models
from local.sagemaker.control.errors import invalid
from local.sagemaker.control.listing import Listing
from local.sagemaker.control.names import ENDPOINT_CONFIG, arn, now
from local.sagemaker.control.resource import Resource
from local.sagemaker.control.script_mode import is_s3
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record, without_tags

CONFIGS = Resource(
    ENDPOINT_CONFIG,
    "EndpointConfigName",
    Listing("EndpointConfigs", "EndpointConfigName"),
    unknown='Could not find endpoint configuration "{arn}".',
    taken='Cannot create already existing endpoint configuration "{arn}".',
)
NOT_HERE = ("AsyncInferenceConfig", "ShadowProductionVariants", "ExplainerConfig")


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateEndpointConfig."""
    _check(service, request)
    return CONFIGS.add(service, request, new_record(request))


def new_record(request: Request) -> Record:
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
        models.MODELS.existing(service, variant["ModelName"])
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


# An endpoint that was made with a deleted one goes on.
OPERATIONS: dict[str, Operation] = CONFIGS.operations(CreateEndpointConfig=create)
