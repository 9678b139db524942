"""The application without AWS: a bucket, a table, a bus, a dead-letter queue, the real workflow and the real review.

The table is the local engine's own DynamoDB, so that every condition of the workflow and of the review is evaluated.
"""

import contextlib
import io
import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from ministack.services import dynamodb
from PIL import Image

from monitoring import holding, review
from monitoring.errors import LabelRefusedError
from reconciling.gaps import Missing, missing_of
from tests.simulator.machine import Fault, Json, Run, TaskError
from vehiclevision.answer import checked
from vehiclevision.decision import decide
from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET
from vehiclevision.record import Record
from vehiclevision.requests import second_opinion
from vehiclevision.results import ResultsTable

BUCKET, TABLE = "photos", "results"
_NUMBERS = itertools.count()


def _jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(stream, "JPEG")
    return stream.getvalue()


PHOTO = _jpeg()


@dataclass
class Version:
    """One version of a photo as the bucket holds it."""

    key: str
    version_id: str
    shows: str
    uploaded_at: datetime
    sequencer: str
    deleted: bool = False


class ConditionalCheckFailedException(Exception):  # noqa: N818 - boto3's name
    """A condition that did not hold."""


class Table:
    """boto3's DynamoDB client, over the local engine's table, with faults."""

    class exceptions:  # noqa: N801 - boto3's name
        """Where boto3's clients keep their errors."""

        ConditionalCheckFailedException = ConditionalCheckFailedException

    def __init__(self) -> None:
        self.fault = Fault.NONE

    def update_item(self, **request: Any) -> Json:
        return self._call(dynamodb._update_item, request)

    def get_item(self, **request: Any) -> Json:
        return self._call(dynamodb._get_item, request)

    def _call(self, operation: Any, request: Json) -> Json:
        fault, self.fault = self.fault, Fault.NONE
        if fault is Fault.REFUSED:
            raise ConnectionError("refused")
        status, _, body = operation(request)
        answer: Json = json.loads(body) if body else {}
        if status >= 400:
            kind = str(answer.get("__type", "")).rsplit("#", 1)[-1]
            raise ConditionalCheckFailedException if "ConditionalCheck" in kind else TaskError(f"DynamoDB.{kind}")
        if fault is Fault.LOST:
            raise ConnectionError("the answer is lost")
        return answer


class Bus:
    """boto3's EventBridge client; it remembers what was announced."""

    def __init__(self, heard: list[Json]) -> None:
        self.heard = heard
        self.fault = Fault.NONE

    def put_events(self, Entries: list[Json]) -> Json:  # noqa: N803 - boto3's name
        fault, self.fault = self.fault, Fault.NONE
        if fault is Fault.REFUSED:
            raise ConnectionError("refused")
        for entry in Entries:
            detail = entry["Detail"]
            detail = json.loads(detail if isinstance(detail, str) else json.dumps(detail))
            self.heard.append({"detail-type": entry["DetailType"], "detail": detail})
        if fault is Fault.LOST:
            raise ConnectionError("the answer is lost")
        return {"FailedEntryCount": 0}


@dataclass
class World:
    """Everything that happens to some photos."""

    machine: Json
    # What an upload starts where the workflow is of type EXPRESS; what it cannot finish at once goes on in `machine`.
    express: Json | None = None
    now: datetime = datetime(2026, 11, 28, 9, tzinfo=UTC)
    versions: list[Version] = field(default_factory=list)
    heard: list[Json] = field(default_factory=list)
    letters: list[Json] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    decided: dict[tuple[str, str], str] = field(default_factory=dict)
    measurements: Json = field(default_factory=lambda: {"width": 32, "sharpness": 0.125, "format": "JPEG"})
    model: str = "m1"

    def __post_init__(self) -> None:
        dynamodb.reset()
        keys = {"object": "HASH", "version_id": "RANGE"}
        dynamodb._create_table(
            {
                "TableName": TABLE,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in keys],
                "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
            }
        )
        self.table, self.bus = Table(), Bus(self.heard)

    # ---- what people and AWS do ----

    def upload(self, key: str, shows: str) -> Version:
        """A new version, which nobody has heard of yet."""
        self.wait(1)
        number = len(self.versions) + 1
        version = Version(key, f"v{number}", shows, self.now, f"{number:08X}")
        self.versions.append(version)
        return version

    def deliver(self, version: Version) -> Run:
        """S3's event starts a run; it may do so more than once."""
        detail = {
            "bucket": {"name": BUCKET},
            "object": {"key": version.key, "version-id": version.version_id, "sequencer": version.sequencer},
        }
        return self._start({"id": f"event-{version.version_id}", "detail": detail}, self.express)

    def start(self, version: Version) -> Run:
        """A run by hand."""
        return self._start({"s3_bucket": BUCKET, "s3_key": version.key, "version_id": version.version_id})

    def person_decides(self, version: Version, label: str, fault: Fault = Fault.NONE, at: str = "table") -> None:
        """A person decides; the table or the bus may fail under it."""
        record = self.record(version)
        if record is None:
            return
        self.wait(1)
        (self.table if at == "table" else self.bus).fault = fault
        with contextlib.suppress(LabelRefusedError, ConnectionError):
            review.decide(self.desk, record, label, again=True)
        self.table.fault = self.bus.fault = Fault.NONE
        noted = self.record(version)
        if noted and noted.reviewed_label:
            self.decided[version.key, version.version_id] = noted.reviewed_label

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    def step(self, run: Run, fault: Fault = Fault.NONE) -> None:
        """A run goes on by one attempt; where it ends otherwise than well, the rule writes a letter."""
        before = run.status
        run.step(fault)
        self._ended(run, before)

    def finish(self, run: Run) -> Run:
        """A run goes on to its end without a fault."""
        before = run.status
        run.finish()
        self._ended(run, before)
        return run

    def settle(self) -> None:
        """What runs ends, and time passes until nothing more can come of it."""
        for run in self.runs:
            self.finish(run)
        self.wait(3600)

    def put_right(self) -> None:
        """What `vehiclevision reconcile --fix` does, until nothing is missing."""
        for _ in range(4):
            self.settle()
            for version in self.versions:
                record = self.record(version)
                missing = missing_of(record)
                if missing is Missing.REVIEW and record:
                    self.person_decides(version, record.reviewed_label or "")
                elif missing:
                    self.finish(self.start(version))

    # ---- what there is ----

    def record(self, version: Version) -> Record | None:
        """The record of a version."""
        return ResultsTable(self.table, TABLE).one(BUCKET, version.key, version.version_id)  # type: ignore[arg-type]

    def said_of(self, version: Version) -> list[Json]:
        """What was announced about a version, in order."""
        mine = (version.key, version.version_id)
        return [event for event in self.heard if (event["detail"]["s3_key"], event["detail"]["version_id"]) == mine]

    @property
    def desk(self) -> holding.Desk:
        """Where people review."""
        return holding.Desk(self, self.table, self.bus, BUCKET, TABLE, "bus", lambda: self.now)

    # ---- S3 as the review needs it ----

    def get_object(self, Bucket: str, Key: str, VersionId: str) -> Json:  # noqa: N803 - boto3's names
        version = next(each for each in self.versions if each.version_id == VersionId)
        if version.deleted:
            raise ClientError({"Error": {"Code": "NoSuchVersion"}}, "GetObject")
        return {"Body": io.BytesIO(PHOTO)}

    def head_object(self, Bucket: str, Key: str) -> Json:  # noqa: N803 - boto3's names
        standing = [each for each in self.versions if each.key == Key and not each.deleted]
        if not standing:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return {"VersionId": standing[-1].version_id}

    def put_object(self, **_: Any) -> None:
        """Reviewed pictures are no part of this."""

    def delete_object(self, **_: Any) -> None:
        """Reviewed pictures are no part of this."""

    # ---- what the workflow calls ----

    def _start(self, request: Json, machine: Json | None = None, name: str = "") -> Run:
        run = Run(name or f"run-{next(_NUMBERS)}", machine or self.machine, request, self._call, self._clock)
        self.runs.append(run)
        return run

    def _clock(self) -> str:
        return self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _call(self, resource: str, arguments: Any) -> Any:
        match resource:
            case "serialize":
                return self._serialize(arguments)
            case "classify":
                return {**arguments, **_classified(arguments["image_data"]), "model_version": self.model}
            case "filter":
                return _filtered(arguments)
            case "putEvents":
                return self.bus.put_events(arguments["Entries"])
            case "sendMessage":
                self.letters.append(arguments["MessageBody"])
                return {}
            case "startExecution":
                return self._hand_over(arguments)
        operation = {"putItem": dynamodb._put_item, "updateItem": dynamodb._update_item, "getItem": dynamodb._get_item}
        try:
            return self.table._call(operation[resource], arguments)
        except ConditionalCheckFailedException as error:
            raise TaskError("DynamoDB.ConditionalCheckFailedException") from error

    def _serialize(self, event: Json) -> Json:
        version = next((each for each in self.versions if each.version_id == event["version_id"]), None)
        if version is None or version.deleted:
            raise _invalid("OBJECT_NOT_FOUND")
        if version.shows == "junk":
            raise _invalid("NOT_AN_IMAGE")
        newest = self.head_object(BUCKET, version.key)["VersionId"]
        return {
            **event,
            "uploaded_at": version.uploaded_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "superseded": newest != version.version_id,
            "image_data": version.shows,
            "measurements": self.measurements,
        }

    def _hand_over(self, request: Json) -> Json:
        name = f"standard-{request['Name']}"
        if any(run.name == name for run in self.runs):
            raise TaskError("StepFunctions.ExecutionAlreadyExistsException")
        self._start(request["Input"], name=name)
        return {}

    def _ended(self, run: Run, before: str) -> None:
        # Of Express runs Step Functions tells nobody.
        ended = before == "RUNNING" and run.status in ("FAILED", "ABORTED") and run.machine is self.machine
        if ended and run.error != "THRESHOLD_CONFIDENCE_NOT_MET":
            detail = {"executionArn": run.name, "input": json.dumps(run.request), "error": run.error}
            self.letters.append({"source": "aws.states", "detail": detail})


# What the model says; of the last two it is in doubt, and somebody else agrees or does not.
_ANSWERS = {
    "bicycle": [0.9753086419753086, 0.01],
    "motorcycle": [0.02, 0.9],
    "unsure": [0.4, 0.3],
    "seconded": [0.7, 0.1],
    "disputed": [0.7, 0.1],
}
_OPINIONS = {"seconded": ("bicycle", 0.9731), "disputed": ("neither", 0.6)}


def _classified(shows: str) -> Json:
    if shows not in _OPINIONS:
        return {"inferences": _ANSWERS[shows]}
    label, confidence = _OPINIONS[shows]
    return {
        "inferences": _ANSWERS[shows],
        "second_opinion": {"by": "rekognition", "label": label, "confidence": confidence},
    }


def _filtered(event: Json) -> Json:
    try:
        decision = decide(checked(event["inferences"]), 0.8, second_opinion(event))
    except THRESHOLD_CONFIDENCE_NOT_MET as error:
        raise TaskError("THRESHOLD_CONFIDENCE_NOT_MET") from error
    return {**event, **vars(decision)}


def _invalid(reason: str) -> TaskError:
    return TaskError("InvalidImageError", json.dumps({"errorMessage": f"{reason}: gone"}))
