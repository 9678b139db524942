"""A person's word on a picture: recorded as human, kept to learn from, and announced.

What is put up for review: every answer that was not sure enough, and a fixed share of the sure ones, drawn by hash.
Only because the draw does not look at the answer can the accuracy of sure answers be estimated from it.

Whoever looks at a photo holds it for a while, so that two people at once never decide the same one.

A review is three writes, and a break between any two of them loses nothing: the label is noted on the record, which
waits until it is closed; the label is announced; then the record is closed. Whoever reviews next finishes what is
noted and not closed, so an announcement may come twice, under the same id, never not at all.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from monitoring.errors import LabelRefusedError
from monitoring.holding import HELD_NAMES, OWN, Desk, Reviewer, marks
from monitoring.labels import SECONDED_SHARE, SURE_SHARE, digest_of
from monitoring.labels import key_of as picture_key
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits, normalise
from vehiclevision.labels import NEITHER, ROUTES, TRUTHS
from vehiclevision.record import (
    NO_VERSION,
    VEHICLE_REVIEWED,
    Outcome,
    Record,
    ReviewedDetail,
    announcement_id,
    iso,
    key_of,
    put_event,
)
from vehiclevision.results import ResultsTable
from vehiclevision.storage import MISSING, code_of, superseded

HUMAN: Final = "human"
NEITHER_VEHICLE: Final = "NEITHER_VEHICLE"
REVIEWABLE: Final = (Outcome.NEEDS_REVIEW, Outcome.CLASSIFIED, Outcome.REJECTED)
_DECIDED_MEANWHILE: Final = (
    "Somebody else has decided this image meanwhile.",
    "To overrule that: vehiclevision review label --again",
)
_LOOKED_AT: Final = ("Somebody else is looking at this image right now.", "Go on with the next one.")


@dataclass(frozen=True)
class Reviewed:
    """What came of a review."""

    label: str
    route: str | None
    digest: str | None
    stored: str | None
    changed: bool


def drawn(s3_bucket: str, s3_key: str, version_id: str, share: float = SURE_SHARE) -> bool:
    """Whether a sure answer belongs to the sample that people look at; the same whenever it is asked."""
    mark = hashlib.sha256(f"{s3_bucket}/{s3_key}\0{version_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(mark[:8]) < share * 2**64


def sampled(record: Record) -> bool:
    """Whether people look at an answer that passed without them: more often where a second opinion let it pass."""
    share = SECONDED_SHARE if record.seconded_by else SURE_SHARE
    return drawn(record.s3_bucket, record.s3_key, record.version_id, share)


def waits(record: Record) -> bool:
    """Whether nobody has decided it yet, or not to the end."""
    return record.decided_by is None


def asked(record: Record) -> bool:
    """Whether it is reviewed because somebody asked, not because it was put up."""
    if record.asked_about is not None:
        return record.asked_about
    return record.outcome is not Outcome.NEEDS_REVIEW and not sampled(record)


def waiting(results: ResultsTable, *, sure: bool) -> Iterator[Record]:
    """Unsure answers, the longest waiting first; then the sampled sure ones, newest first."""
    yield from filter(waits, results.of_outcome(Outcome.NEEDS_REVIEW, newest_first=False))
    if sure:
        for record in results.of_outcome(Outcome.CLASSIFIED):
            if waits(record) and sampled(record):
                yield record


def picture(desk: Desk, record: Record) -> bytes:
    """The uploaded file, that very version; LabelRefusedError once it is gone."""
    version = {} if record.version_id in ("", NO_VERSION) else {"VersionId": record.version_id}
    try:
        answer = desk.s3.get_object(Bucket=record.s3_bucket, Key=record.s3_key, **version)
    except ClientError as error:
        if code_of(error) not in MISSING:
            raise
        raise LabelRefusedError(
            "The photo is no longer in the bucket.", "It cannot be reviewed any more; go on with the next one."
        ) from error
    with answer["Body"] as body:
        content: bytes = body.read(Limits().max_bytes + 1)
    return content


def decide(
    desk: Desk, record: Record, label: str, *, again: bool = False, reviewer: Reviewer | None = None
) -> Reviewed:
    """Take a person's label; LabelRefusedError if it cannot be taken, or if another one stands or is held already."""
    if label not in TRUTHS:
        raise LabelRefusedError(f"{label[:40]!r} is no label.", f"Use {', '.join(TRUTHS)}.")
    if record.outcome not in REVIEWABLE or record.inferences is None:
        raise LabelRefusedError(
            f"This image ended as {record.outcome} and was never classified, so there is nothing to review.",
            "Start it again first, or upload it anew.",
        )
    begun = waits(record) and record.reviewed_label == label
    try:
        jpeg = normalise(picture(desk, record)).jpeg
    except (InvalidImageError, LabelRefusedError) as error:
        if not begun:
            raise _unusable(error) from error
        jpeg = None  # it went while the decision stood half-way: consumers are told all the same
    noted = _note(desk, record, label, again=again, reviewer=reviewer)
    digest = digest_of(jpeg) if jpeg else None
    stored = _keep(desk, jpeg, digest, label, asked=asked(record)) if jpeg and digest else None
    if not waits(noted):
        return Reviewed(label, ROUTES.get(label), digest, stored, changed=False)
    reviewed = Reviewed(label, ROUTES.get(label), digest, stored, changed=label != _acted_on(noted))
    _announce(desk, noted, reviewed)
    try:
        _close(desk, noted, reviewed)
    except LabelRefusedError:
        stands = _standing(desk, noted)
        if jpeg and digest and stands and stands.reviewed_label:
            _keep(desk, jpeg, digest, stands.reviewed_label, asked=asked(stands))
        raise
    return reviewed


def _standing(desk: Desk, record: Record) -> Record | None:
    """The record as it is now."""
    return ResultsTable(desk.dynamodb, desk.table).one(record.s3_bucket, record.s3_key, record.version_id)


def _unusable(error: InvalidImageError | LabelRefusedError) -> LabelRefusedError:
    if isinstance(error, LabelRefusedError):
        return error
    return LabelRefusedError(f"The photo is no usable picture ({error}).", "It needs no label.")


def _acted_on(record: Record) -> str | None:
    """The label on which the application has acted so far."""
    return record.label if record.outcome is Outcome.CLASSIFIED else None


def _note(desk: Desk, record: Record, label: str, *, again: bool, reviewer: Reviewer | None) -> Record:
    """The label on the record, which then waits, unless another one stands there; what stands is not noted twice."""
    free = "attribute_not_exists(reviewed_label)" + (" OR reviewed_label <> :label" if again else "")
    values, change = {}, "REMOVE reviewed_by, decided_by, #held_by, #held_until"
    if reviewer:
        values = {name: {"S": value} for name, value in {":name": reviewer.name, **marks(reviewer)}.items()}
        change = ", reviewed_by = :name REMOVE decided_by, #held_by, #held_until"
    try:
        answer = desk.dynamodb.update_item(
            TableName=desk.table,
            Key=key_of(record.s3_bucket, record.s3_key, record.version_id),
            UpdateExpression=f"SET reviewed_label = :label, reviewed_at = :now, asked_about = :asked {change}",
            ConditionExpression="attribute_exists(#object) AND #outcome = :seen AND "
            f"({free}){f' AND {OWN}' if reviewer else ''}",
            ExpressionAttributeNames={"#object": "object", "#outcome": "outcome", **HELD_NAMES},
            ExpressionAttributeValues={
                ":label": {"S": label},
                ":now": {"S": iso(desk.now())},
                ":asked": {"BOOL": asked(record)},
                ":seen": {"S": record.outcome},
                **values,
            },
            ReturnValues="ALL_NEW",
        )
        return Record.from_item(answer["Attributes"])
    except desk.dynamodb.exceptions.ConditionalCheckFailedException as error:
        standing = _standing(desk, record)
        if standing is not None and standing.reviewed_label is None and standing.outcome is record.outcome:
            raise LabelRefusedError(*_LOOKED_AT) from error
        if standing is None or standing.reviewed_label != label:
            raise LabelRefusedError(*_DECIDED_MEANWHILE) from error
        return standing


def _keep(desk: Desk, jpeg: bytes, digest: str, label: str, *, asked: bool) -> str:
    """The picture among those that are learnt from, under this label and no other."""
    kept = picture_key(label, digest, asked=asked)
    desk.s3.put_object(Bucket=desk.bucket, Key=kept, Body=jpeg, ContentType="image/jpeg")
    for other in TRUTHS:
        for was_asked in (False, True):
            if (key := picture_key(other, digest, asked=was_asked)) != kept:
                desk.s3.delete_object(Bucket=desk.bucket, Key=key)
    return f"s3://{desk.bucket}/{kept}"


def _announce(desk: Desk, noted: Record, reviewed: Reviewed) -> None:
    decided_at = noted.reviewed_at or ""
    detail = ReviewedDetail(
        announcement_id=announcement_id(noted.s3_bucket, noted.s3_key, noted.version_id, decided_at),
        label=reviewed.label,
        route=reviewed.route,
        decided_by=HUMAN,
        changed=reviewed.changed,
        inferences=noted.inferences or [],
        model_version=noted.model_version,
        s3_bucket=noted.s3_bucket,
        s3_key=noted.s3_key,
        version_id=noted.version_id,
        uploaded_at=noted.uploaded_at,
        sequencer=noted.sequencer,
        superseded=superseded(desk.s3, noted.s3_bucket, noted.s3_key, noted.version_id),
        reviewed_at=decided_at,
        correlation_id=noted.correlation_id,
    )
    if put_event(desk.events, desk.bus, VEHICLE_REVIEWED, detail):
        raise LabelRefusedError(
            "The label is noted, but the event bus did not take it.", "Review the image again: nothing is lost."
        )


def _close(desk: Desk, noted: Record, reviewed: Reviewed) -> None:
    """The record says what the person said; it no longer waits, neither for a person nor for an announcement."""
    neither = reviewed.label == NEITHER
    try:
        desk.dynamodb.update_item(
            TableName=desk.table,
            Key=key_of(noted.s3_bucket, noted.s3_key, noted.version_id),
            UpdateExpression="SET decided_by = :human, #outcome = :outcome, "
            "label = :label, route = :route, reason = :reason, announced_at = :now",
            ConditionExpression="reviewed_label = :reviewed AND reviewed_at = :decided_at",
            ExpressionAttributeNames={"#outcome": "outcome"},
            ExpressionAttributeValues={
                ":human": {"S": HUMAN},
                ":reviewed": {"S": reviewed.label},
                ":decided_at": {"S": noted.reviewed_at or ""},
                ":outcome": {"S": Outcome.REJECTED if neither else Outcome.CLASSIFIED},
                ":label": {"NULL": True} if neither else {"S": reviewed.label},
                ":route": {"S": reviewed.route} if reviewed.route else {"NULL": True},
                ":reason": {"S": NEITHER_VEHICLE} if neither else {"NULL": True},
                ":now": {"S": iso(desk.now())},
            },
        )
    except desk.dynamodb.exceptions.ConditionalCheckFailedException as error:
        raise LabelRefusedError(*_DECIDED_MEANWHILE) from error
