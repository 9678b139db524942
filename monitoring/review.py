"""A person's word on a picture: recorded as human, kept to learn from, and announced.

What is put up for review: every answer that was not sure enough, and a fixed share of the sure ones, drawn by hash.
Only because the draw does not look at the answer can the accuracy of sure answers be estimated from it.

A review is three writes, and a break between any two of them loses nothing: the label is noted on the record, which
stays among those that wait; the label is announced; then the record is closed. Whoever reviews next finishes what is
noted and not closed, so an announcement may come twice, never not at all.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from monitoring.errors import LabelRefusedError
from monitoring.labels import NEITHER, REVIEW_LABELS, digest_of, key_of
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits, normalise
from vehiclevision.labels import ROUTES

HUMAN: Final = "human"
# One sure answer in twenty: 100 a day give a year's accuracy to within a point.
SURE_SHARE: Final = 0.05
NEITHER_VEHICLE: Final = "NEITHER_VEHICLE"
SOURCE: Final = "vehiclevision"
DETAIL_TYPE: Final = "VehicleReviewed"
REVIEWABLE: Final = ("NEEDS_REVIEW", "CLASSIFIED", "REJECTED")


@dataclass(frozen=True)
class Desk:
    """The parts of the application that a review touches."""

    s3: Any
    dynamodb: Any
    events: Any
    bucket: str
    table: str
    bus: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class Case:
    """One recorded image, as a reviewer meets it."""

    s3_bucket: str
    s3_key: str
    version_id: str
    outcome: str
    inferences: tuple[float, float] | None
    model_version: str | None
    correlation_id: str | None
    reviewed_label: str | None = None
    decided_by: str | None = None
    asked_about: bool | None = None

    @property
    def asked(self) -> bool:
        """Whether it is reviewed because somebody asked, not because it was put up."""
        if self.asked_about is not None:
            return self.asked_about
        return self.outcome != "NEEDS_REVIEW" and not drawn(self.s3_bucket, self.s3_key, self.version_id)

    @property
    def waits(self) -> bool:
        """Whether nobody has decided it yet, or not to the end."""
        return self.decided_by is None

    @property
    def key(self) -> dict[str, Any]:
        """Its key in the results table."""
        return {"object": {"S": f"{self.s3_bucket}/{self.s3_key}"}, "version_id": {"S": self.version_id}}


@dataclass(frozen=True)
class Reviewed:
    """What came of a review."""

    label: str
    route: str | None
    digest: str
    stored: str
    changed: bool


def drawn(s3_bucket: str, s3_key: str, version_id: str, share: float = SURE_SHARE) -> bool:
    """Whether a sure answer belongs to the sample that people look at; the same whenever it is asked."""
    mark = hashlib.sha256(f"{s3_bucket}/{s3_key}\0{version_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(mark[:8]) < share * 2**64


def picture(desk: Desk, case: Case) -> bytes:
    """The uploaded file, that very version; LabelRefusedError once it is gone."""
    version = {} if case.version_id in ("", "none", "null") else {"VersionId": case.version_id}
    try:
        answer = desk.s3.get_object(Bucket=case.s3_bucket, Key=case.s3_key, **version)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"):
            raise
        raise LabelRefusedError(
            "The photo is no longer in the bucket.", "It cannot be reviewed any more; go on with the next one."
        ) from error
    with answer["Body"] as body:
        found: bytes = body.read(Limits().max_bytes + 1)
    return found


def decide(desk: Desk, case: Case, label: str, *, again: bool = False) -> Reviewed:
    """Take a person's label; LabelRefusedError if it cannot be taken, or if another one stands already."""
    if label not in REVIEW_LABELS:
        raise LabelRefusedError(f"{label[:40]!r} is no label.", f"Use {', '.join(REVIEW_LABELS)}.")
    if case.outcome not in REVIEWABLE or case.inferences is None:
        raise LabelRefusedError(
            f"This image ended as {case.outcome} and was never classified, so there is nothing to review.",
            "Start it again first, or upload it anew.",
        )
    try:
        jpeg = normalise(picture(desk, case)).jpeg
    except InvalidImageError as error:
        raise LabelRefusedError(f"The photo is no usable picture ({error}).", "It needs no label.") from error
    _note(desk, case, label, again=again)
    digest = digest_of(jpeg)
    stored = _keep(desk, jpeg, digest, label, asked=case.asked)
    found = Reviewed(label, ROUTES.get(label), digest, stored, changed=label != _said(case))
    _announce(desk, case, found)
    _close(desk, case, found)
    return found


def _said(case: Case) -> str | None:
    """The label on which the application has acted so far."""
    if case.outcome != "CLASSIFIED" or case.inferences is None:
        return None
    if case.decided_by and case.reviewed_label:
        return case.reviewed_label
    return REVIEW_LABELS[0 if case.inferences[0] >= case.inferences[1] else 1]


def _note(desk: Desk, case: Case, label: str, *, again: bool) -> None:
    """The label on the record, unless another one stands there."""
    free = "attribute_not_exists(reviewed_label) OR reviewed_label = :label"
    exists = "attribute_exists(#object) AND #outcome = :seen"
    try:
        desk.dynamodb.update_item(
            TableName=desk.table,
            Key=case.key,
            UpdateExpression="SET reviewed_label = :label, reviewed_at = :now, asked_about = :asked",
            ConditionExpression=exists if again else f"{exists} AND ({free})",
            ExpressionAttributeNames={"#object": "object", "#outcome": "outcome"},
            ExpressionAttributeValues={
                ":label": {"S": label},
                ":now": {"S": _time(desk)},
                ":asked": {"BOOL": case.asked},
                ":seen": {"S": case.outcome},
            },
        )
    except desk.dynamodb.exceptions.ConditionalCheckFailedException as error:
        raise LabelRefusedError(
            "Somebody else has decided this image meanwhile.", "To overrule that: vehiclevision review label --again"
        ) from error


def _keep(desk: Desk, jpeg: bytes, digest: str, label: str, *, asked: bool) -> str:
    """The picture among those that are learnt from, under this label and no other."""
    wanted = key_of(label, digest, asked=asked)
    desk.s3.put_object(Bucket=desk.bucket, Key=wanted, Body=jpeg, ContentType="image/jpeg")
    for other in REVIEW_LABELS:
        for was_asked in (False, True):
            if (key := key_of(other, digest, asked=was_asked)) != wanted:
                desk.s3.delete_object(Bucket=desk.bucket, Key=key)
    return f"s3://{desk.bucket}/{wanted}"


def _announce(desk: Desk, case: Case, found: Reviewed) -> None:
    detail = {
        "label": found.label,
        "route": found.route,
        "decided_by": HUMAN,
        "changed": found.changed,
        "inferences": list(case.inferences or ()),
        "model_version": case.model_version,
        "s3_bucket": case.s3_bucket,
        "s3_key": case.s3_key,
        "version_id": case.version_id,
        "correlation_id": case.correlation_id,
    }
    answer = desk.events.put_events(
        Entries=[{"EventBusName": desk.bus, "Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}]
    )
    if answer.get("FailedEntryCount"):
        raise LabelRefusedError(
            "The label is noted, but the event bus did not take it.", "Review the image again: nothing is lost."
        )


def _close(desk: Desk, case: Case, found: Reviewed) -> None:
    """The record says what the person said; it no longer waits."""
    neither = found.label == NEITHER
    desk.dynamodb.update_item(
        TableName=desk.table,
        Key=case.key,
        UpdateExpression="SET decided_by = :human, #outcome = :outcome, "
        "label = :label, route = :route, reason = :reason",
        ConditionExpression="reviewed_label = :reviewed",
        ExpressionAttributeNames={"#outcome": "outcome"},
        ExpressionAttributeValues={
            ":human": {"S": HUMAN},
            ":reviewed": {"S": found.label},
            ":outcome": {"S": "REJECTED" if neither else "CLASSIFIED"},
            ":label": {"NULL": True} if neither else {"S": found.label},
            ":route": {"S": found.route} if found.route else {"NULL": True},
            ":reason": {"S": NEITHER_VEHICLE} if neither else {"NULL": True},
        },
    )


def _time(desk: Desk) -> str:
    return desk.now().strftime("%Y-%m-%dT%H:%M:%SZ")
