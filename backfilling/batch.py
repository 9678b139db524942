"""One batch of photos that lie in a bucket: what has no outcome yet is given to the workflow once, and waited for.

Nothing is remembered between two calls about the same batch. The results table says what is done, and a run's name what
was begun: Step Functions starts no second run of the same name for 90 days. So a call that is repeated, or a whole
backfill that is started again, goes on where the last one ended, and asks the endpoint about nothing twice.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from vehiclevision.record import BACKFILL, NO_VERSION, Outcome, Record, iso
from vehiclevision.results import UPLOADS, ResultsTable
from vehiclevision.storage import UNVERSIONED

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

# What came into the upload bucket so shortly before started its own run, which may be under way.
UNDER_WAY: Final = timedelta(minutes=15)
ASKED_AT_ONCE: Final = 8
LOOK_EVERY_SECONDS: Final = 1.0

# What is known of a photo that may not be looked at: another's key encrypts it. Its own run says so in its record.
DENIED: Final[Mapping[str, Any]] = MappingProxyType({})

Version = tuple[str, str]


class DeniedError(Exception):
    """Nothing of a batch may be read: that is the bucket's or the role's fault, and no photo's."""


@dataclass(frozen=True)
class Parts:
    """What a batch is worked off with; `alarms` are those that say: not now."""

    s3: "S3Client"
    step_functions: "SFNClient"
    cloudwatch: Any
    results: ResultsTable
    state_machine: str
    upload_bucket: str
    alarms: Sequence[str]
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Batch:
    """Keys in a bucket, and when the backfill that lists them was started."""

    bucket: str
    keys: Sequence[str]
    since: datetime

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Batch":
        """A batch as Step Functions' Distributed Map makes it."""
        given = event["BatchInput"]
        # What the console makes for a folder is an object without content.
        keys = [item["Key"] for item in event["Items"] if not (item["Key"].endswith("/") and not item.get("Size"))]
        return cls(given["bucket"], keys, datetime.fromisoformat(given["since"]))


@dataclass
class Counted:
    """How many photos of the batch are in each state; `paused` says that nothing was started because an alarm rings."""

    recorded_before: int = 0
    done: int = 0
    failed: int = 0
    left_to_upload: int = 0
    gone: int = 0
    ended_without_record: int = 0
    under_way: int = 0
    paused: bool = False

    def to_json(self) -> dict[str, Any]:
        """As the state machine reads it."""
        return asdict(self)


def work_off(parts: Parts, batch: Batch, seconds_left: Callable[[], float]) -> Counted:
    """Start each version that has no outcome, unless an alarm rings; wait as long as there is time; count."""
    counted = Counted()
    versions = _newest(parts, batch, counted)
    records = parts.results.look_up(batch.bucket, versions)
    waiting = [version for version in versions if _to_do(records.get(version), batch.since)]
    if waiting and _alarm_rings(parts):
        counted.paused = True
        counted.under_way = len(waiting)
    else:
        runs = {version: _start(parts, batch.bucket, version, records.get(version)) for version in waiting}
        records |= _await(parts, batch, runs, seconds_left, counted)
    for version in versions:
        _count(counted, records.get(version), batch.since)
    return counted


def run_name(bucket: str, version: Version, before: Record | None) -> str:
    """The name of the run for a version; another one when the last ended as FAILED, so that it can be tried again."""
    failed_at = (before and before.recorded_at) or ""
    text = "\0".join((bucket, *version, failed_at))
    return f"{BACKFILL}{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _newest(parts: Parts, batch: Batch, counted: Counted) -> list[Version]:
    """The newest version of each key, without what is left to its own upload and what is gone meanwhile."""
    own = batch.bucket == parts.upload_bucket
    versions, denied = list[Version](), list[Version]()
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        answers = pool.map(lambda key: (key, _head(parts.s3, batch.bucket, key)), batch.keys)
        for key, answer in answers:
            if answer is None:
                counted.gone += 1
            elif answer is DENIED:
                denied.append((key, NO_VERSION))
            elif own and key.startswith(UPLOADS) and answer["LastModified"] > batch.since - UNDER_WAY:
                counted.left_to_upload += 1
            else:
                versions.append((key, str(answer.get("VersionId") or UNVERSIONED)))
    if denied and len(denied) == len(batch.keys):
        raise DeniedError(f"None of the {len(denied)} photos of this batch in {batch.bucket} may be read")
    return versions + denied


def _head(s3: "S3Client", bucket: str, key: str) -> Mapping[str, Any] | None:
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST):
            return DENIED
        if status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _to_do(record: Record | None, since: datetime) -> bool:
    """Whether a run is needed: nothing is recorded, or what is there failed before this backfill began."""
    return record is None or (record.outcome is Outcome.FAILED and _before(record, since))


def _before(record: Record, since: datetime) -> bool:
    return (record.recorded_at or "") < iso(since)


def _alarm_rings(parts: Parts) -> bool:
    alarms = parts.cloudwatch.describe_alarms(AlarmNames=list(parts.alarms))["MetricAlarms"]
    return any(alarm["StateValue"] == "ALARM" for alarm in alarms)


def _start(parts: Parts, bucket: str, version: Version, before: Record | None) -> str:
    """Start the run of a version, if none of its name was started ever; the run."""
    key, version_id = version
    name = run_name(bucket, version, before)
    request = {"s3_bucket": bucket, "s3_key": key, "version_id": "" if version_id == NO_VERSION else version_id}
    # Where one exists it is under way, or it has ended: the record says which.
    with contextlib.suppress(parts.step_functions.exceptions.ExecutionAlreadyExists):
        parts.step_functions.start_execution(
            stateMachineArn=parts.state_machine, name=name, input=json.dumps(request, sort_keys=True)
        )
    return f"{parts.state_machine.replace(':stateMachine:', ':execution:')}:{name}"


def _await(
    parts: Parts, batch: Batch, runs: Mapping[Version, str], seconds_left: Callable[[], float], counted: Counted
) -> dict[Version, Record]:
    """The records of these runs, as far as they come in time; what has none is under way, or ended without one."""
    records: dict[Version, Record] = {}
    waiting = list(runs)
    while waiting:
        records |= {
            version: record
            for version, record in parts.results.look_up(batch.bucket, waiting).items()
            if not _to_do(record, batch.since)
        }
        waiting = [version for version in waiting if version not in records]
        if seconds_left() <= LOOK_EVERY_SECONDS or not waiting:
            break
        parts.sleep(LOOK_EVERY_SECONDS)
    for version in waiting:
        status = parts.step_functions.describe_execution(executionArn=runs[version])["status"]
        record = parts.results.one(batch.bucket, *version)
        if record is not None and not _to_do(record, batch.since):
            records[version] = record
        elif status == "RUNNING":
            counted.under_way += 1
        else:
            counted.ended_without_record += 1
    return records


def _count(counted: Counted, record: Record | None, since: datetime) -> None:
    if record is None or _to_do(record, since):
        return  # counted already: under way, or ended without a record
    if _before(record, since):
        counted.recorded_before += 1
    elif record.outcome is Outcome.FAILED:
        counted.failed += 1
    else:
        counted.done += 1


def totals(lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """What the batches of a backfill come to, state by state."""
    names = [name for name in Counted.__dataclass_fields__ if name != "paused"]
    sums = dict.fromkeys(names, 0)
    for line in lines:
        for name in names:
            sums[name] += int(line.get(name, 0))
    return sums
