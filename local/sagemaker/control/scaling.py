"""Application Auto Scaling, as far as endpoints need it: what was registered is kept and shown, nothing is scaled.

The local machine has one of everything, and MiniStack has no such service.
"""

import uuid
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from local.place import REGION
from local.sagemaker.control.errors import ServiceError, invalid
from local.sagemaker.control.listing import Listing, cut
from local.sagemaker.control.names import ACCOUNT, ENDPOINT, key, now
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record

TARGET, POLICY = "scalable-target", "scaling-policy"
PLACE = ("ServiceNamespace", "ResourceId", "ScalableDimension")
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
PAGE = 50
ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/local"


def register(service: Service, request: Request) -> Mapping[str, Any]:
    """RegisterScalableTarget: a new target, or other limits for one that is there."""
    _check_variant(service, request)
    target_key = _place(request)
    with service.store.lock:
        old = service.store.get(TARGET, target_key)
        limits = {field: request.get(field, (old or {}).get(field)) for field in ("MinCapacity", "MaxCapacity")}
        if limits["MinCapacity"] is None or limits["MaxCapacity"] is None:
            raise invalid("MinCapacity and MaxCapacity are required when a scalable target is registered.")
        if limits["MinCapacity"] > limits["MaxCapacity"]:
            raise invalid("Maximum capacity cannot be less than minimum capacity.")
        arn = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/{uuid.uuid4().hex[:27]}"
        record = {
            "RoleARN": ROLE,
            "CreationTime": now(),
            "ScalableTargetARN": arn,
            **(old or {}),
            **{field: request[field] for field in PLACE},
            **limits,
            "_key": target_key,
        }
        service.store.put(TARGET, target_key, record)
    return record


def _check_variant(service: Service, request: Request) -> None:
    parts = request["ResourceId"].split("/")
    if request["ScalableDimension"] != DIMENSION or len(parts) != 4 or (parts[0], parts[2]) != ("endpoint", "variant"):
        raise invalid(f"The local SageMaker scales endpoint/NAME/variant/NAME by {DIMENSION} only.")
    endpoint = service.store.get(ENDPOINT, key(parts[1]))
    known = {variant["VariantName"] for variant in (endpoint or {}).get("ProductionVariants", [])}
    if parts[3] not in known:
        raise invalid(f"There is no variant {parts[3]} of an endpoint {parts[1]} in service.")


def _place(request: Request) -> str:
    return " ".join(request[field] for field in PLACE)


def deregister(service: Service, request: Request) -> Mapping[str, Any]:
    """DeregisterScalableTarget, with its policies."""
    target_key = _place(request)
    with service.store.lock:
        _target(service, request)
        service.store.delete(TARGET, target_key)
        for policy in service.store.all(POLICY):
            if policy["_key"].startswith(f"{target_key} "):
                service.store.delete(POLICY, policy["_key"])
    return {}


def _target(service: Service, request: Request) -> Record:
    record = service.store.get(TARGET, _place(request))
    if record is None:
        namespace, resource, dimension = (request[field] for field in PLACE)
        message = (
            f"No scalable target found for service namespace: {namespace}, resource ID: {resource}, "
            f"scalable dimension: {dimension}"
        )
        raise ServiceError("ObjectNotFoundException", message)
    return record


def put_policy(service: Service, request: Request) -> Mapping[str, Any]:
    """PutScalingPolicy: a new policy of a target, or another content for one that is there."""
    policy_key = f"{_place(request)} {request['PolicyName']}"
    with service.store.lock:
        _target(service, request)
        old = service.store.get(POLICY, policy_key) or {}
        suffix = f"resource/sagemaker/{request['ResourceId']}:policyName/{request['PolicyName']}"
        arn = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:{uuid.uuid4()}:{suffix}"
        record = {
            **request,
            "PolicyType": request.get("PolicyType", "StepScaling"),
            "PolicyARN": old.get("PolicyARN", arn),
            "CreationTime": old.get("CreationTime", now()),
            "Alarms": [],
            "_key": policy_key,
        }
        service.store.put(POLICY, policy_key, record)
    return record


def delete_policy(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteScalingPolicy."""
    policy_key = f"{_place(request)} {request['PolicyName']}"
    with service.store.lock:
        if service.store.get(POLICY, policy_key) is None:
            raise ServiceError("ObjectNotFoundException", f"No scaling policy found: {request['PolicyName']}")
        service.store.delete(POLICY, policy_key)
    return {}


def _describing(kind: str, answer: str, asked: str, name: str) -> Operation:
    """The operation that lists records of a kind: of a namespace, a resource and a dimension, or of some names only."""

    def describe(service: Service, request: Request) -> Mapping[str, Any]:
        records = [
            record
            for record in service.store.all(kind)
            if all(request.get(field, record[field]) == record[field] for field in PLACE)
            and (not request.get(asked) or record[name] in request[asked])
        ]
        page = {"MaxResults": PAGE, **request, "SortOrder": "Ascending"}
        return cut(page, records, Listing(answer, "_key"), itemgetter("_key"))

    return describe


OPERATIONS: dict[str, Operation] = {
    "RegisterScalableTarget": register,
    "DescribeScalableTargets": _describing(TARGET, "ScalableTargets", "ResourceIds", "ResourceId"),
    "DeregisterScalableTarget": deregister,
    "PutScalingPolicy": put_policy,
    "DescribeScalingPolicies": _describing(POLICY, "ScalingPolicies", "PolicyNames", "PolicyName"),
    "DeleteScalingPolicy": delete_policy,
}
