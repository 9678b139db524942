"""CreateEndpoint, UpdateEndpoint and their like."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control import deployment, hosting, tags
from local.sagemaker.control.aws import FAULTS
from local.sagemaker.control.errors import invalid
from local.sagemaker.control.listing import Listing
from local.sagemaker.control.names import ENDPOINT, arn, key, now
from local.sagemaker.control.resource import Resource
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record

ENDPOINTS = Resource(
    ENDPOINT,
    "EndpointName",
    Listing("Endpoints", "EndpointName", "EndpointStatus"),
    unknown='Could not find endpoint "{arn}".',
    taken='Cannot create already existing endpoint "{arn}".',
)


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateEndpoint."""
    name = request["EndpointName"]
    config = hosting.CONFIGS.existing(service, request["EndpointConfigName"])
    answer = ENDPOINTS.add(service, request, new_record(name, config))
    service.deployments.launch(name)
    return answer


def new_record(name: str, config: Record) -> dict[str, Any]:
    """The record of an endpoint that is being created."""
    moment, capture = now(), config.get("DataCaptureConfig")
    captured = deployment.capture_summary(capture)
    return {
        "EndpointName": name,
        "EndpointArn": arn(ENDPOINT, name),
        "EndpointConfigName": config["EndpointConfigName"],
        "EndpointStatus": "Creating",
        "CreationTime": moment,
        "LastModifiedTime": moment,
        **({"DataCaptureConfig": captured, "_capture_config": capture} if captured else {}),
    }


def update(service: Service, request: Request) -> Mapping[str, Any]:
    """UpdateEndpoint: the new configuration beside the old one, then the traffic in steps."""
    name = request["EndpointName"]
    config = hosting.CONFIGS.existing(service, request["EndpointConfigName"])
    with service.store.lock:
        record = ENDPOINTS.existing(service, name)
        rollout = request.get("DeploymentConfig", {})
        if not rollout and request.get("RetainDeploymentConfig"):
            rollout = record.get("LastDeploymentConfig", {})
    _check_deployment(rollout, config)
    _check_alarms(service, rollout)
    with service.store.lock:
        record = _idle(ENDPOINTS.existing(service, name))
        kept = _retained(request, record)
        service.store.change(
            ENDPOINT,
            key(name),
            EndpointStatus="Updating",
            LastModifiedTime=now(),
            FailureReason=None,
            PendingDeploymentSummary=_pending_summary(config),
            _pending={"config": config["EndpointConfigName"], "deployment": rollout, **kept},
            _fleet_before=record.get("_fleet", []),
        )
    service.deployments.launch(name)
    return {"EndpointArn": record["EndpointArn"]}


def _retained(request: Request, record: Record) -> dict[str, Any]:
    """What an update keeps of the endpoint as it is."""
    if not request.get("RetainAllVariantProperties"):
        return {}
    left = {each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", [])}
    fields = [field for field in ("DesiredWeight", "DesiredInstanceCount") if field not in left]
    variants = {
        variant["VariantName"]: {field: variant[field] for field in fields if field in variant}
        for variant in record.get("ProductionVariants", [])
    }
    capture = {"capture": record.get("_capture_config")} if "DataCaptureConfig" not in left else {}
    return {"retained": variants, **capture}


def _pending_summary(config: Record) -> dict[str, Any]:
    variants = [
        {
            "VariantName": variant["VariantName"],
            "DesiredWeight": float(variant["InitialVariantWeight"]),
            "DesiredInstanceCount": variant.get("InitialInstanceCount", 0),
            "InstanceType": variant.get("InstanceType"),
            "VariantStatus": [{"Status": "Creating", "StartTime": now()}],
        }
        for variant in config["ProductionVariants"]
    ]
    return {
        "EndpointConfigName": config["EndpointConfigName"],
        "ProductionVariants": variants,
        "StartTime": now(),
    }


def _check_deployment(rollout: Mapping[str, Any], config: Record) -> None:
    if not rollout:
        return
    if "BlueGreenUpdatePolicy" in rollout and "RollingUpdatePolicy" in rollout:
        raise invalid("DeploymentConfig takes either BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.")
    if any("ServerlessConfig" in variant for variant in config["ProductionVariants"]):
        raise invalid("DeploymentConfig is not supported for serverless endpoints.")
    policy = rollout.get("BlueGreenUpdatePolicy", {})
    routing = policy.get("TrafficRoutingConfiguration", deployment.ALL_AT_ONCE)
    for kind, field in (("CANARY", "CanarySize"), ("LINEAR", "LinearStepSize")):
        if routing["Type"] == kind and field not in routing:
            raise invalid(f"{field} is required when the traffic routing type is {kind}.")
        if routing["Type"] != kind and field in routing:
            raise invalid(f"{field} can only be set when the traffic routing type is {kind}.")
    for field in ("CanarySize", "LinearStepSize"):
        size = routing.get(field, {})
        top = 50 if field == "CanarySize" else 100
        if size.get("Type") == "CAPACITY_PERCENT" and not 1 <= size["Value"] <= top:
            raise invalid(f"{field} in percent must be from 1 to {top}.")


def _check_alarms(service: Service, rollout: Mapping[str, Any]) -> None:
    names = deployment.alarm_names(rollout)
    if not names:
        return
    try:
        answer = service.engine.client("cloudwatch").describe_alarms(AlarmNames=names)
    except FAULTS as error:
        raise invalid(f"The alarms of AutoRollbackConfiguration could not be read: {error}") from error
    known = {alarm["AlarmName"] for kind in ("MetricAlarms", "CompositeAlarms") for alarm in answer.get(kind, [])}
    if missing := [name for name in names if name not in known]:
        raise invalid(f"Could not find the CloudWatch alarms {', '.join(missing)}.")


def update_weights(service: Service, request: Request) -> Mapping[str, Any]:
    """UpdateEndpointWeightsAndCapacities."""
    name = request["EndpointName"]
    with service.store.lock:
        record = _idle(ENDPOINTS.existing(service, name))
        known = {variant["VariantName"] for variant in record.get("ProductionVariants", [])}
        weights = request["DesiredWeightsAndCapacities"]
        if unknown := [each["VariantName"] for each in weights if each["VariantName"] not in known]:
            raise invalid(f"Could not find variant {unknown[0]} of endpoint {name}.")
        service.store.change(
            ENDPOINT, key(name), EndpointStatus="Updating", LastModifiedTime=now(), _weights=[*weights]
        )
    service.deployments.launch(name)
    return {"EndpointArn": record["EndpointArn"]}


def delete(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteEndpoint; it is no longer served when this returns."""
    name = request["EndpointName"]
    with service.store.lock:
        record = ENDPOINTS.existing(service, name)
        if record["EndpointStatus"] == "Deleting":
            return {}
        if record["EndpointStatus"] != "Failed":
            _idle(record)
        service.store.change(ENDPOINT, key(name), EndpointStatus="Deleting", LastModifiedTime=now())
        tags.forget(service.store, record["EndpointArn"])
        service.serving.publish()
    service.deployments.launch(name)
    return {}


def _idle(record: Record) -> Record:
    if record["EndpointStatus"] != "InService":
        raise invalid(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
    return record


OPERATIONS: dict[str, Operation] = ENDPOINTS.operations(
    CreateEndpoint=create,
    UpdateEndpoint=update,
    UpdateEndpointWeightsAndCapacities=update_weights,
    DeleteEndpoint=delete,
)
