"""Reading one version of an uploaded object, never more of it than the image gate would take."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from vehiclevision.errors import InvalidImageError, Reason, StorageRefusedError, StorageUnavailableError
from vehiclevision.requests import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A photo read within a minute of its upload is answered before anybody could act on a newer one.
LATE_AFTER: Final = timedelta(minutes=1)
# How S3 says that there is no such object, or no such version of it any more.
MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound", "MethodNotAllowed"})
# How it says that it will never give it: the archived, and what was encrypted with its owner's own key, among them.
REFUSED: Final = frozenset(
    {"NoSuchBucket", "AccessDenied", "403", "InvalidObjectState", "InvalidArgument", "InvalidBucketName", "400"}
    | {"InvalidRequest"}
)
# What it calls the version of an object in a bucket without versions.
UNVERSIONED: Final = "null"


@dataclass(frozen=True)
class StoredObject:
    """The bytes, and which version of the object they are."""

    data: bytes
    version_id: str
    uploaded_at: str
    superseded: bool


def read_version(s3: "S3Client", version: ObjectVersion, max_bytes: int) -> StoredObject:
    """Read all of the wanted version, or one byte more than the limit, so that the gate refuses it."""
    arguments: dict[str, Any] = {"Bucket": version.s3_bucket, "Key": version.s3_key}
    if version.version_id:
        arguments["VersionId"] = version.version_id
    try:
        answer = s3.get_object(**arguments)
        with answer["Body"] as body:
            data = body.read(max_bytes + 1)
    except ClientError as exc:
        raise _translate(exc) from exc
    except ParamValidationError as exc:
        raise StorageRefusedError("no S3 bucket or key can have such a name; check the input") from exc
    except BotoCoreError as exc:
        raise StorageUnavailableError("S3 did not answer; the step is retried") from exc
    # A connection that breaks off ends a read early without an error: botocore compares only what is read to its end.
    if len(data) != min(answer["ContentLength"], max_bytes + 1):
        raise StorageUnavailableError("S3 stopped in the middle of the object; the step is retried")
    version_id = answer.get("VersionId") or version.version_id or UNVERSIONED
    uploaded_at = answer["LastModified"]
    is_late = datetime.now(UTC) - uploaded_at > LATE_AFTER
    return StoredObject(
        data=data,
        version_id=version_id,
        uploaded_at=uploaded_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        superseded=is_late and superseded(s3, version.s3_bucket, version.s3_key, version_id),
    )


def superseded(s3: "S3Client", bucket: str, key: str, version_id: str) -> bool:
    """Whether the bucket holds something newer under that key: another version, or a deletion."""
    try:
        newest = s3.head_object(Bucket=bucket, Key=key).get("VersionId")
    except ClientError as exc:
        if code_of(exc) in MISSING:
            return True
        raise _translate(exc) from exc
    except BotoCoreError as exc:
        raise StorageUnavailableError("S3 did not answer; the step is retried") from exc
    return newest is not None and newest != version_id


def read_or_none(s3: Any, bucket: str, key: str, most_bytes: int | None = None) -> bytes | None:
    """An object's bytes, at most so many; None where there is none."""
    try:
        with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
            content: bytes = body.read(most_bytes)
    except ClientError as error:
        if code_of(error) not in MISSING:
            raise
        return None
    return content


def listed(client: Any, operation: str, entries: str, **parameters: Any) -> Iterator[Any]:
    """All that a service lists under this name, however many pages it takes."""
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page.get(entries, ())


def code_of(error: ClientError) -> str:
    """What AWS calls the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _translate(error: ClientError) -> Exception:
    code = code_of(error)
    if code in MISSING:
        return InvalidImageError(Reason.OBJECT_NOT_FOUND, "the object, or this version of it, was deleted")
    if code in REFUSED:
        return StorageRefusedError(f"S3 refused to give the object ({code}); check the function's role and the bucket")
    return StorageUnavailableError(f"S3 could not give the object ({code}); the step is retried")
