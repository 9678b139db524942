"""What became of one version of one photo, and how it is announced: the only description of either.

The state machine writes records and announces them (statemachine/classify_vehicle.asl.json; a test holds its fields to
the ones named here), a review adds a person's word, and everybody else reads them through vehiclevision.results.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypedDict

from vehiclevision.labels import LABELS
from vehiclevision.refusal import Refusal

# The table's key, the index beside it, and the time at which DynamoDB deletes a record.
OBJECT: Final = "object"
VERSION_ID: Final = "version_id"
OUTCOME_INDEX: Final = "by_outcome"
EXPIRES_AT: Final = "expires_at"
# Who looks at a photo right now, and until when nobody else decides it: an item's attributes, and no part of a record.
HELD_BY: Final = "held_by"
HELD_UNTIL: Final = "held_until"
# The version of a photo that no run could name.
NO_VERSION: Final = "none"
# How the names of a backfill's runs begin.
BACKFILL: Final = "backfill-"

EVENT_SOURCE: Final = "vehiclevision"
VEHICLE_CLASSIFIED: Final = "VehicleClassified"
VEHICLE_REVIEWED: Final = "VehicleReviewed"


class SecondOpinion(TypedDict):
    """What somebody else said of a photo that the model was in doubt about."""

    by: str
    label: str
    confidence: float


class ClassifiedDetail(TypedDict):
    """What a VehicleClassified event says; the state machine writes it."""

    announcement_id: str
    label: str
    confidence: float
    route: str
    model_version: str
    s3_bucket: str
    s3_key: str
    version_id: str
    uploaded_at: str
    sequencer: str | None
    superseded: bool
    correlation_id: str
    # Null of a photo that the model was sure about by itself.
    second_opinion: SecondOpinion | None


class ReviewedDetail(TypedDict):
    """What a VehicleReviewed event says: a person's word, which counts more than the model's on the same version."""

    announcement_id: str
    label: str
    route: str | None
    decided_by: str
    changed: bool
    inferences: list[float]
    model_version: str | None
    s3_bucket: str
    s3_key: str
    version_id: str
    uploaded_at: str | None
    sequencer: str | None
    superseded: bool
    reviewed_at: str
    correlation_id: str | None


class Outcome(StrEnum):
    """How a photo can end, and the words that people read."""

    words: str

    def __new__(cls, name: str, words: str = "") -> "Outcome":
        """By its name alone it is looked up."""
        outcome = str.__new__(cls, name)
        outcome._value_, outcome.words = name, words
        return outcome

    CLASSIFIED = "CLASSIFIED", "classified"
    NEEDS_REVIEW = "NEEDS_REVIEW", "for a person"
    REJECTED = "REJECTED", "refused"
    FAILED = "FAILED", "failed"


# The outcomes of photos that the endpoint has answered about.
ANSWERED: Final = (Outcome.CLASSIFIED, Outcome.NEEDS_REVIEW)


class RecordError(Refusal):
    """A record that this release cannot read."""


@dataclass(frozen=True)
class Record:
    """How one version of a photo ended. Fields with a default are added later, by a review or by the announcement."""

    s3_bucket: str
    s3_key: str
    version_id: str
    outcome: Outcome
    label: str | None
    confidence: float | None
    inferences: list[float] | None
    route: str | None
    # Who else was asked, what it said, and whether that is why the photo `passed` without a person.
    second_opinion: dict[str, Any] | None
    reason: str | None
    # Of a photo that was refused: what its sender can do about it.
    hint: str | None
    model_version: str | None
    measurements: dict[str, Any] | None
    execution: str | None
    correlation_id: str | None
    uploaded_at: str | None
    # S3's own order of a key's versions; None where nobody could know it, and uploaded_at is all there is.
    sequencer: str | None
    started_at: str | None
    recorded_at: str | None
    announced_at: str | None
    decided_by: str | None = None
    reviewed_label: str | None = None
    reviewed_at: str | None = None
    asked_about: bool | None = None
    reviewed_by: str | None = None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Record":
        """A record from DynamoDB's typed values; what is absent is None."""
        fields = {name: plain(item.get(name, {"NULL": True})) for name in cls.__dataclass_fields__}
        if fields["outcome"] not in list(Outcome):
            raise RecordError(
                f"A record has the outcome {str(fields['outcome'])[:40]!r}, which this release does not know.",
                "Use the release of VehicleVision that wrote it, or a newer one.",
            )
        fields["outcome"] = Outcome(fields["outcome"])
        fields["sequencer"] = fields["sequencer"] or None
        if fields["confidence"] is not None:
            fields["confidence"] = float(fields["confidence"])
        if "announced_at" not in item and fields["outcome"] is Outcome.CLASSIFIED:
            # Earlier releases noted no time: they announced as soon as they had recorded.
            fields["announced_at"] = fields["recorded_at"]
        return cls(**fields)

    @property
    def by_label(self) -> dict[str, float]:
        """The model's confidence in each label; nothing where it was not asked, or told other labels apart."""
        answers = self.inferences or []
        return dict(zip(LABELS, answers, strict=True)) if len(answers) == len(LABELS) else {}

    @property
    def surest(self) -> str | None:
        """The label that the model was surest of, however sure."""
        answers = self.by_label
        return max(answers, key=answers.__getitem__) if answers else None

    @property
    def seconded_by(self) -> str | None:
        """Whose agreement let it pass; None where the model was sure by itself, or a person decides."""
        return self.second_opinion["by"] if self.second_opinion and self.second_opinion["passed"] else None

    @property
    def waits_for_announcement(self) -> bool:
        """Whether it is sure what the photo shows, and nobody has been told."""
        return self.outcome is Outcome.CLASSIFIED and self.announced_at is None

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON."""
        return asdict(self)


def put_event(events: Any, bus: str, detail_type: str, detail: Mapping[str, Any]) -> str:
    """Announce something on the application's bus; the bus's code where it refused, else nothing."""
    entry = {"EventBusName": bus, "Source": EVENT_SOURCE, "DetailType": detail_type}
    answer = events.put_events(Entries=[{**entry, "Detail": json.dumps(detail, allow_nan=False)}])
    return str(answer["Entries"][0].get("ErrorCode", "refused")) if answer["FailedEntryCount"] else ""


def key_of(bucket: str, key: str, version_id: str) -> dict[str, Any]:
    """A record's key in the table."""
    return {OBJECT: {"S": f"{bucket}/{key}"}, VERSION_ID: {"S": version_id or NO_VERSION}}


def announcement_id(bucket: str, key: str, version_id: str, occasion: str) -> str:
    """The id under which one answer about one version is announced, however often; `occasion` holds no slash.

    A CLASSIFIED record's occasion is its outcome; a review's is the time at which the person decided.
    """
    return hashlib.sha256(f"{version_id}/{bucket}/{key}/{occasion}".encode("utf-8", "surrogatepass")).hexdigest()


def inference_id(bucket: str, key: str, version_id: str) -> str:
    """The id under which the endpoint is asked about a version: by it what was captured is found again, and erased."""
    return announcement_id(bucket, key, version_id, "inference")


def plain(value: Mapping[str, Any]) -> Any:
    """One of DynamoDB's typed values as plain JSON."""
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            number = float(content)
            return int(number) if number.is_integer() and "." not in content else number
        case "L":
            return [plain(element) for element in content]
        case "M":
            return {name: plain(element) for name, element in content.items()}
    return content


def iso(at: datetime) -> str:
    """A moment as records have it, so that all of them sort together."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
