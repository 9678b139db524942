"""Tags on everything that has an ARN."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.sagemaker.control.errors import ServiceError, invalid
from local.sagemaker.control.listing import Listing, cut
from local.sagemaker.control.names import ACCOUNT, TAGGED_KINDS, TRAINING_JOB, key
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Store
from local.sagemaker.control.training import SPOT_TAG

KIND = "tags"
MAX_TAGS = 50
MAX_PAGE = 50

Tags = Sequence[Mapping[str, str]]


def tag(store: Store, arn: str, tags: Tags) -> list[Mapping[str, str]]:
    """Add tags to a resource or give them new values; all of its tags."""
    names = [each["Key"] for each in tags]
    if len(set(names)) != len(names):
        raise invalid("Tag keys must be unique: duplicate tag keys found.")
    if reserved := [name for name in names if name.lower().startswith("aws:")]:
        raise invalid(f"Tag keys that begin with aws: are reserved for AWS: {reserved[0]}")
    with store.lock:
        kept = {each["Key"]: each for each in of(store, arn)} | {each["Key"]: each for each in tags}
        if len(kept) > MAX_TAGS:
            raise ServiceError("ResourceLimitExceeded", f"A resource can have at most {MAX_TAGS} tags.")
        if kept:
            store.put(KIND, arn, {"Tags": list(kept.values())})
        return list(kept.values())


def of(store: Store, arn: str) -> list[Mapping[str, str]]:
    """A resource's tags."""
    return list((store.get(KIND, arn) or {}).get("Tags", []))


def forget(store: Store, arn: str) -> None:
    """The tags of a resource that is gone."""
    store.delete(KIND, arn)


def add_tags(service: Service, request: Request) -> Mapping[str, Any]:
    """AddTags; SPOT_TAG on a running job is obeyed."""
    arn = _existing(service, request["ResourceArn"])
    tags = tag(service.store, arn, request["Tags"])
    if f":{TRAINING_JOB}/" in arn and any(each["Key"] == SPOT_TAG for each in request["Tags"]):
        service.training.interrupt(key(arn))
    return {"Tags": tags}


def list_tags(service: Service, request: Request) -> Mapping[str, Any]:
    """ListTags."""
    tags = of(service.store, _existing(service, request["ResourceArn"]))
    page = {"MaxResults": MAX_PAGE, **request, "SortOrder": "Ascending"}
    return cut(page, tags, Listing("Tags", "Key"), lambda each: each["Key"])


def delete_tags(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteTags; a key that is not there is no error."""
    arn = _existing(service, request["ResourceArn"])
    with service.store.lock:
        kept = [each for each in of(service.store, arn) if each["Key"] not in request["TagKeys"]]
        service.store.put(KIND, arn, {"Tags": kept})
    return {}


def _existing(service: Service, arn: str) -> str:
    """The ARN as it is kept, if there is such a resource."""
    parts = arn.split(":")
    kind, _, name = parts[-1].partition("/")
    if len(parts) == 6 and parts[4] == ACCOUNT and kind in TAGGED_KINDS:
        record = service.store.get(kind, key(name))
        if record is not None:
            return arn.lower()
    raise invalid(f'Could not find resource "{arn}".')


OPERATIONS: dict[str, Operation] = {"AddTags": add_tags, "ListTags": list_tags, "DeleteTags": delete_tags}
