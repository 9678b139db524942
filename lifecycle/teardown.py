"""Take away everything that we made, in an order that works, then look again.

Things are found by name and by our tag, not remembered: what an interrupted run left is found as well, and a second
run does no harm.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from lifecycle import deploy, endpoint, foundation, registry, stacks
from lifecycle.endpoint import SCALABLE
from lifecycle.registry import tags_of
from lifecycle.runs import RUNNING
from lifecycle.site import OWNER_TAG, TRAINING_LOG_GROUP, Aws, Request, send
from lifecycle.stacks import or_none
from vehiclevision.storage import code_of, listed

WAIT_SECONDS: Final = 600.0
POLL_SECONDS: Final = 3.0
# How services say that something is gone already.
GONE: Final = registry.MISSING | {
    "ObjectNotFoundException", "NoSuchBucket", "404", "RepositoryNotFoundException", "NoSuchUpload",
}  # fmt: skip
DELETES_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Item:
    """Something of ours, and the calls that take it away."""

    kind: str
    name: str
    requests: tuple[Request, ...] = ()
    # Whether it is still there; asked after the calls where AWS takes its time.
    lingers: Callable[[], object] | None = field(default=None, compare=False)
    # What comes before the calls, or cannot be said in single ones.
    first: Callable[[], object] | None = field(default=None, compare=False)

    def as_json(self) -> dict[str, str]:
        """For the next program."""
        return {"kind": self.kind, "name": self.name}


def find(aws: Aws, *, endpoint_only: bool = False, application: bool = False) -> list[Item]:
    """Everything that is there, in the order in which it can be taken away; with `application` all of that too."""
    costly = [*_scaling(aws), *_endpoints(aws)]
    if endpoint_only:
        return costly
    return [
        # The daily check and the retraining, which without bucket and roles would only fail.
        *_beside(aws, "retraining", "monitoring"),
        *costly,
        *_alarms(aws),
        *_configs_and_models(aws),
        *_registry(aws),
        *_searches_and_jobs(aws),
        *_log_groups(aws),
        *_foundation(aws),
        *(_application(aws) if application else ()),
    ]


def remove(aws: Aws, items: Sequence[Item]) -> None:
    """Take these away; what is gone already is no fault."""
    for item in items:
        aws.tell(f"Deleting {item.kind} {item.name}")
        if item.first is not None:
            item.first()
        for request in item.requests:
            or_none(GONE, partial(send, aws, request))
        if item.lingers is not None:
            deadline = time.monotonic() + WAIT_SECONDS
            while item.lingers() and time.monotonic() < deadline:
                aws.sleep(POLL_SECONDS)


def still_tagged(aws: Aws) -> list[str] | None:
    """What AWS's own search by tag still names; None where it cannot be asked. It lags behind by some minutes."""
    filters = [{"Key": OWNER_TAG, "Values": [aws.site.application]}]
    try:
        tagging = aws.client("resourcegroupstaggingapi")
        tagged = listed(tagging, "get_resources", "ResourceTagMappingList", TagFilters=filters)
        return [str(each["ResourceARN"]) for each in tagged]
    except ClientError:
        return None


def _scaling(aws: Aws) -> Iterator[Item]:
    try:
        targets = aws.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="sagemaker", ResourceIds=[aws.site.scaled], ScalableDimension=SCALABLE
        )["ScalableTargets"]
    except ClientError as error:
        # A region without auto scaling has none of ours; a refused look must not pass for that.
        if code_of(error) in ("AccessDeniedException", "AccessDenied"):
            raise
        return
    if targets:
        # Its policies go with it.
        yield Item("auto scaling of", aws.site.endpoint, (endpoint.unscaling_request(aws.site),))


def _endpoints(aws: Aws) -> Iterator[Item]:
    for name in _ours(aws, "list_endpoints", "Endpoint"):
        request = Request("sagemaker", "delete_endpoint", {"EndpointName": name})
        # An endpoint in the middle of an update takes no deletion.
        settle = partial(deploy.await_endpoint, aws) if name == aws.site.endpoint else None
        described = partial(registry.described_or_none, aws, "describe_endpoint", EndpointName=name)
        yield Item("endpoint", name, (request,), described, settle)


def _configs_and_models(aws: Aws) -> Iterator[Item]:
    for kind, listing, resource, deletion in (
        ("endpoint configuration", "list_endpoint_configs", "EndpointConfig", "delete_endpoint_config"),
        ("model", "list_models", "Model", "delete_model"),
    ):
        for name in _ours(aws, listing, resource):
            yield Item(kind, name, (Request("sagemaker", deletion, {f"{resource}Name": name}),))


def _registry(aws: Aws) -> Iterator[Item]:
    group = aws.site.group
    if not registry.group_exists(aws):
        return
    for version in registry.versions(aws):
        deletion = Request("sagemaker", "delete_model_package", {"ModelPackageName": version.arn})
        yield Item("registered version", f"{group}/{version.number}", (deletion,))
    deletion = Request("sagemaker", "delete_model_package_group", {"ModelPackageGroupName": group})
    yield Item("model package group", group, (deletion,))


def _searches_and_jobs(aws: Aws) -> Iterator[Item]:
    # A search's jobs get its tags in AWS; where they did not, they still have its name.
    of_a_search = re.compile(rf"{re.escape(aws.site.application)}-tune-[0-9a-f]{{10}}(-\d+)?-\d{{3}}-[0-9a-f]+")
    for kind, resource, operation in (
        ("tuning job", "HyperParameterTuningJob", "hyper_parameter_tuning_job"),
        ("training job", "TrainingJob", "training_job"),
    ):
        named = of_a_search if resource == "TrainingJob" else None
        for name in _ours(aws, f"list_{operation}s", resource, entries=f"{resource}Summaries", named=named):
            deletion = Request("sagemaker", f"delete_{operation}", {f"{resource}Name": name})
            yield Item(kind, name, (deletion,), first=partial(_stop, aws, resource, operation, name))


def _stop(aws: Aws, resource: str, operation: str, name: str) -> None:
    """Stop a job and wait for its end; its log goes before the job: without the job nobody knows whose log it is."""
    key, status = {f"{resource}Name": name}, f"{resource}Status"
    described = registry.described_or_none(aws, f"describe_{operation}", **key)
    if described is not None and described[status] in RUNNING - {"Stopping"}:
        or_none(GONE, partial(send, aws, Request("sagemaker", f"stop_{operation}", key)))
    deadline = time.monotonic() + WAIT_SECONDS
    while described is not None and described[status] in RUNNING and time.monotonic() < deadline:
        aws.sleep(POLL_SECONDS)
        described = registry.described_or_none(aws, f"describe_{operation}", **key)
    if operation == "training_job":
        _delete_log_streams(aws, name)


def _delete_log_streams(aws: Aws, job: str) -> None:
    """The log group belongs to all of the account's jobs; only our streams in it are ours."""
    logs = aws.client("logs")
    try:
        streams = {"logGroupName": TRAINING_LOG_GROUP, "logStreamNamePrefix": f"{job}/"}
        names = [each["logStreamName"] for each in listed(logs, "describe_log_streams", "logStreams", **streams)]
    except logs.exceptions.ResourceNotFoundException:
        return
    for name in names:
        or_none(GONE, partial(logs.delete_log_stream, logGroupName=TRAINING_LOG_GROUP, logStreamName=name))


def _alarms(aws: Aws) -> Iterator[Item]:
    names = [aws.site.alarm(what) for what in endpoint.ALARMS]
    for name in deploy.alarm_states(aws, names):
        yield Item("alarm", name, (Request("cloudwatch", "delete_alarms", {"AlarmNames": [name]}),))


def _log_groups(aws: Aws) -> Iterator[Item]:
    for name in (aws.site.endpoint_log_group, f"/aws/codebuild/{aws.site.builder}"):
        if deploy.log_group_exists(aws, name):
            yield Item("log group", name, (Request("logs", "delete_log_group", {"logGroupName": name}),))


def _beside(aws: Aws, *rooms: str) -> Iterator[Item]:
    """The stacks of applications beside the first."""
    for room in rooms:
        name = f"{aws.site.application}-{room}"
        if stacks.described(aws.client, name) is not None:
            yield Item(f"{room}'s stack", name, first=_removal(aws, name))


def _removal(aws: Aws, stack: str) -> Callable[[], None]:
    return partial(stacks.remove, aws.client, stack, aws.sleep)


def _foundation(aws: Aws) -> Iterator[Item]:
    site = aws.site
    if bucket_exists(aws, site.bucket):
        yield Item("everything in the bucket", site.bucket, first=partial(empty_bucket, aws, site.bucket))
    if foundation.described(aws) is not None:
        yield Item("bucket, roles, image repository: stack", site.foundation, first=_removal(aws, site.foundation))
    elif bucket_exists(aws, site.bucket):
        yield Item("bucket", site.bucket, (Request("s3", "delete_bucket", {"Bucket": site.bucket}),))


def _application(aws: Aws) -> Iterator[Item]:
    """The application's stack, and first what nobody could name after it: what reads it, photos and results."""
    name = aws.site.application
    yield from _beside(aws, "console", "reconciling", "backfilling")
    stack = stacks.described(aws.client, name)
    if stack is None:
        return
    outputs = stacks.outputs(stack)
    bucket, table = outputs.get("BucketName", ""), outputs.get("ResultsTableName", "")
    if bucket and bucket_exists(aws, bucket):
        yield Item("every photo in", bucket, first=partial(empty_bucket, aws, bucket))
        yield Item("upload bucket", bucket, (Request("s3", "delete_bucket", {"Bucket": bucket}),))
    if table and _table_exists(aws, table):
        request = Request("dynamodb", "delete_table", {"TableName": table})
        yield Item("results table", table, (request,), partial(_table_exists, aws, table))
    yield Item("application's stack", name, first=_removal(aws, name))


def _table_exists(aws: Aws, table: str) -> bool:
    asked = partial(aws.client("dynamodb").describe_table, TableName=table)
    return or_none({"ResourceNotFoundException"}, asked) is not None


def bucket_exists(aws: Aws, bucket: str) -> bool:
    """Whether the bucket is there."""
    return or_none({"404", "NoSuchBucket"}, partial(aws.client("s3").head_bucket, Bucket=bucket)) is not None


def empty_bucket(aws: Aws, bucket: str) -> None:
    """Every version, every mark of a deletion, every unfinished upload."""
    s3 = aws.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        keys = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
        for start in range(0, len(keys), DELETES_AT_ONCE):
            answer = s3.delete_objects(
                Bucket=bucket, Delete={"Objects": keys[start : start + DELETES_AT_ONCE], "Quiet": True}
            )
            for refused in answer.get("Errors", [])[:1]:
                aws.tell(f"S3 keeps {refused.get('Key')}: {refused.get('Message')}")
    for upload in listed(s3, "list_multipart_uploads", "Uploads", Bucket=bucket):
        aborted = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        or_none(GONE, partial(s3.abort_multipart_upload, **aborted))


def _ours(
    aws: Aws, operation: str, resource: str, *, entries: str = "", named: re.Pattern[str] | None = None
) -> list[str]:
    """The names of those that carry our tag, or a name that only ours have; their names hold the application's."""
    sagemaker, name = aws.client("sagemaker"), aws.site.application[:32]
    return [
        entry[f"{resource}Name"]
        for entry in listed(sagemaker, operation, entries or f"{resource}s", NameContains=name)
        if (named is not None and named.fullmatch(entry[f"{resource}Name"])) or _is_ours(aws, entry[f"{resource}Arn"])
    ]


def _is_ours(aws: Aws, arn: str) -> bool:
    tags = or_none(GONE, partial(tags_of, aws, arn)) or {}
    return bool(tags.get(OWNER_TAG) == aws.site.application)
