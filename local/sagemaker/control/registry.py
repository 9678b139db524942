"""The model registry: groups, and the versions in them with their approval."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control import tags
from local.sagemaker.control.errors import ServiceError, invalid
from local.sagemaker.control.listing import Listing, page
from local.sagemaker.control.names import ACCOUNT, PACKAGE, PACKAGE_GROUP, arn, key, now
from local.sagemaker.control.resource import Resource
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record, without_tags

GROUPS = Resource(
    PACKAGE_GROUP,
    "ModelPackageGroupName",
    Listing("ModelPackageGroupSummaryList", "ModelPackageGroupName"),
    unknown="ModelPackageGroup {arn} does not exist.",
    taken="Model Package Group already exists: {arn}",
)
PACKAGES = Resource(
    PACKAGE,
    "ModelPackageName",
    Listing("ModelPackageSummaryList", "_sorted_name", "ModelPackageStatus"),
    unknown="ModelPackage {arn} does not exist.",
    taken="Model Package already exists: {arn}",
)
PENDING = "PendingManualApproval"
CREATED_BY = {
    "UserProfileName": "local",
    "IamIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT}:root", "PrincipalId": ACCOUNT},
}
CHANGEABLE = (
    *("ModelApprovalStatus", "ModelPackageRegistrationType", "ApprovalDescription", "InferenceSpecification"),
    *("SourceUri", "ModelCard", "ModelLifeCycle"),
)
MAX_PROPERTIES = 50


# ---- groups --------------------------------------------------------------------------------------


def create_group(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateModelPackageGroup."""
    record = {
        **without_tags(request),
        "ModelPackageGroupArn": arn(PACKAGE_GROUP, request["ModelPackageGroupName"]),
        "ModelPackageGroupStatus": "Completed",
        "CreationTime": now(),
        "CreatedBy": CREATED_BY,
        "_last_version": 0,
    }
    return GROUPS.add(service, request, record)


def delete_group(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteModelPackageGroup; only an empty one."""
    with service.store.lock:
        record = GROUPS.existing(service, request["ModelPackageGroupName"])
        if any(_in_group(package, record) for package in service.store.all(PACKAGE)):
            raise ServiceError(
                "ConflictException",
                f"Model Package Group {record['ModelPackageGroupArn']} cannot be deleted: it still contains model "
                "package versions.",
            )
        GROUPS.remove(service, record)
    return {}


def _in_group(package: Record, group: Record) -> bool:
    return key(package.get("ModelPackageGroupName", "")) == key(group["ModelPackageGroupName"])


# ---- packages ------------------------------------------------------------------------------------


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateModelPackage: the next version of a group, or a package with a name of its own."""
    _check(request)
    with service.store.lock:
        for record in service.store.all(PACKAGE):
            if "ClientToken" in request and record.get("_token") == request["ClientToken"]:
                return {"ModelPackageArn": record["ModelPackageArn"]}
        identity = (
            _next_version(service, request) if "ModelPackageGroupName" in request else _new_name(service, request)
        )
        moment = now()
        record = {
            **{field: value for field, value in request.items() if field not in ("Tags", "ClientToken")},
            "ModelApprovalStatus": request.get("ModelApprovalStatus", PENDING),
            **identity,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CreationTime": moment,
            "LastModifiedTime": moment,
            "CreatedBy": CREATED_BY,
            "_token": request.get("ClientToken"),
        }
        tags.tag(service.store, record["ModelPackageArn"], request.get("Tags", []))
        service.store.put(PACKAGE, key(record["ModelPackageArn"]), record)
    return {"ModelPackageArn": record["ModelPackageArn"]}


def _check(request: Request) -> None:
    if ("ModelPackageGroupName" in request) == ("ModelPackageName" in request):
        raise invalid("Exactly one of ModelPackageName and ModelPackageGroupName must be provided.")
    if "InferenceSpecification" not in request:
        raise invalid("The local SageMaker needs an InferenceSpecification for a model package.")
    if "Tags" in request and "ModelPackageGroupName" in request:
        raise invalid(
            "Tags are not supported for versioned model packages: tag the model package group with AddTags instead."
        )
    _check_properties(request.get("CustomerMetadataProperties", {}))


def _check_properties(properties: Mapping[str, str]) -> None:
    if len(properties) > MAX_PROPERTIES:
        raise invalid(f"CustomerMetadataProperties can have at most {MAX_PROPERTIES} entries.")


def _next_version(service: Service, request: Request) -> dict[str, Any]:
    group = GROUPS.existing(service, request["ModelPackageGroupName"])
    name, version = group["ModelPackageGroupName"], int(group["_last_version"]) + 1
    service.store.change(PACKAGE_GROUP, key(name), _last_version=version)
    return {
        "ModelPackageName": name,
        "ModelPackageGroupName": name,
        "ModelPackageVersion": version,
        "ModelPackageArn": arn(PACKAGE, f"{name}/{version}"),
        "_sorted_name": f"{name}/{version:09d}",
    }


def _new_name(service: Service, request: Request) -> dict[str, Any]:
    name = request["ModelPackageName"]
    PACKAGES.refuse_taken(service, name)
    return {"ModelPackageName": name, "ModelPackageArn": arn(PACKAGE, name), "_sorted_name": name}


def update(service: Service, request: Request) -> Mapping[str, Any]:
    """UpdateModelPackage: approval above all."""
    with service.store.lock:
        record = PACKAGES.existing(service, request["ModelPackageArn"])
        removed = request.get("CustomerMetadataPropertiesToRemove", [])
        old = record.get("CustomerMetadataProperties", {})
        kept = {name: value for name, value in old.items() if name not in removed}
        properties = {**kept, **request.get("CustomerMetadataProperties", {})}
        _check_properties(properties)
        more = request.get("AdditionalInferenceSpecificationsToAdd", [])
        service.store.change(
            PACKAGE,
            key(record["ModelPackageArn"]),
            **{field: request[field] for field in CHANGEABLE if field in request},
            CustomerMetadataProperties=properties or None,
            AdditionalInferenceSpecifications=[*record.get("AdditionalInferenceSpecifications", []), *more] or None,
            LastModifiedTime=now(),
            LastModifiedBy=CREATED_BY,
        )
    return {"ModelPackageArn": record["ModelPackageArn"]}


def list_packages(service: Service, request: Request) -> Mapping[str, Any]:
    """ListModelPackages: of a group, or, without one, those with names of their own."""
    kind = request.get("ModelPackageType", "Both" if "ModelPackageGroupName" in request else "Unversioned")
    records = service.store.all(PACKAGE)
    if "ModelPackageGroupName" in request:
        group = GROUPS.existing(service, request["ModelPackageGroupName"])
        records = [record for record in records if _in_group(record, group)]
    if kind != "Both":
        records = [record for record in records if ("ModelPackageVersion" in record) == (kind == "Versioned")]
    status = request.get("ModelApprovalStatus")
    records = [record for record in records if status in (None, record["ModelApprovalStatus"])]
    return page(request, records, PACKAGES.listing)


OPERATIONS: dict[str, Operation] = {
    **GROUPS.operations(CreateModelPackageGroup=create_group, DeleteModelPackageGroup=delete_group),
    # The number of a deleted version is not used again.
    **PACKAGES.operations(CreateModelPackage=create, UpdateModelPackage=update, ListModelPackages=list_packages),
}
