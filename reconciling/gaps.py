"""What is missing: uploaded versions, records, announcements and letters joined.

A version of a photo is settled when it has a record other than FAILED, when somebody was told what is classified, and
when no person's decision has stopped half-way. All else is a gap, once it is older than a run can take.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from reconciling.letters import Letter, Photo
from vehiclevision.record import NO_VERSION, Outcome, Record, iso
from vehiclevision.results import UPLOADS, ResultsTable
from vehiclevision.storage import listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Each = TypeVar("Each")
# The longest that a run waits for its endpoint, with all retries, and some more.
UNDER_WAY: Final = timedelta(minutes=15)


class Missing(StrEnum):
    """What a version of a photo lacks."""

    RECORD = "NOT_RECORDED"
    OUTCOME = "FAILED"
    REVIEW = "REVIEW_UNFINISHED"
    ANNOUNCEMENT = "NOT_ANNOUNCED"


@dataclass(frozen=True)
class Gap:
    """A version of a photo that lacks something; `letters` says how many are about it."""

    missing: Missing
    photo: Photo
    since: str | None
    reason: str | None = None
    record: Record | None = None
    letters: int = 0

    def to_json(self) -> dict[str, Any]:
        """The line that --json prints."""
        return {
            "missing": self.missing.value,
            "s3_bucket": self.photo.bucket,
            "s3_key": self.photo.key,
            "version_id": self.photo.version_id,
            "since": self.since,
            "reason": self.reason,
            "letters": self.letters,
        }


def missing_of(record: Record | None) -> Missing | None:
    """What a version with that record lacks, or None if it is settled."""
    if record is None:
        return Missing.RECORD
    if record.outcome is Outcome.FAILED:
        return Missing.OUTCOME
    if record.reviewed_label and not record.decided_by:
        return Missing.REVIEW
    return Missing.ANNOUNCEMENT if record.waits_for_announcement else None


def standing(results: ResultsTable, photo: Photo) -> Record | None:
    """The version's record as it is now; where a run could name no version, the one that was recorded last since."""
    record = results.one(photo.bucket, *photo.version)
    if record and record.version_id == NO_VERSION:
        return next(iter(results.versions(photo.bucket, photo.key)), None)
    return record


Version = tuple[str, str]
# Version, time, and whether it is a photo or the mark of a deletion.
StoredVersion = tuple[str, datetime, bool]
Lettered = Mapping[Version, Sequence[Letter]]
NO_LETTERS: Final[Lettered] = MappingProxyType({})


def find(
    s3: "S3Client", results: ResultsTable, bucket: str, letters: Iterable[Letter], *, since: datetime, now: datetime
) -> Iterator[Gap]:
    """Every gap of what was uploaded or recorded since then, and of what a letter names, each version once."""
    lettered: dict[Version, list[Letter]] = {}
    for letter in letters:
        if letter.photo and letter.photo.bucket == bucket:
            lettered.setdefault(letter.photo.version, []).append(letter)
    seen: set[Version] = set()
    until = now - UNDER_WAY
    for gap in of_records(results, since, until, lettered):
        seen.add(gap.photo.version)
        yield gap
    uploaded = _versions(s3, bucket, since, until)
    named = ((key, version_id, None) for key, version_id in lettered)
    for versions in batches(chain(uploaded, named), 1000):
        fresh = {(key, version): at for key, version, at in versions if (key, version) not in seen}
        seen |= set(fresh)
        yield from of_versions(results, bucket, fresh, lettered)


def of_records(
    results: ResultsTable, since: datetime, until: datetime, lettered: Lettered = NO_LETTERS
) -> Iterator[Gap]:
    """The gaps of what was recorded in that time."""
    for record in results.unfinished((iso(since), iso(until))):
        # A backfill leaves records of photos in other buckets too.
        if gap := gap_of(results, record.s3_bucket, (record.s3_key, record.version_id), lettered):
            yield gap


def of_versions(
    results: ResultsTable, bucket: str, uploaded: Mapping[Version, str | None], lettered: Lettered = NO_LETTERS
) -> Iterator[Gap]:
    """The gaps among these versions, each with the time at which it was uploaded."""
    recorded = results.look_up(bucket, list(uploaded))
    for version, at in uploaded.items():
        if missing_of(recorded.get(version)) and (gap := gap_of(results, bucket, version, lettered, at)):
            yield gap


def batches(everything: Iterable[Each], count: int) -> Iterator[Sequence[Each]]:
    """So many at a time."""
    rest = iter(everything)
    while some := list(islice(rest, count)):
        yield some


def gap_of(
    results: ResultsTable,
    bucket: str,
    version: Version,
    letters: Lettered,
    uploaded_at: str | None = None,
) -> Gap | None:
    """The gap of one version as the table has it now, with what the letters about it know."""
    key, version_id = version
    record = standing(results, Photo(bucket, key, version_id))
    missing = missing_of(record)
    if missing is None:
        return None
    own = letters.get(version, [])
    known = [letter.photo for letter in own if letter.photo]
    sequencer = next((photo.sequencer for photo in known if photo.sequencer), None)
    correlation_id = next((photo.correlation_id for photo in known if photo.correlation_id), None)
    return Gap(
        missing=missing,
        photo=Photo(bucket, key, None if version_id == NO_VERSION else version_id, sequencer, correlation_id),
        since=record.recorded_at if record else uploaded_at,
        reason=(record and record.reason) or next((letter.error for letter in own), None),
        record=record,
        letters=len(own),
    )


def _versions(s3: "S3Client", bucket: str, since: datetime, until: datetime) -> Iterator[tuple[str, str, str | None]]:
    """Key, version and time of each upload in that time; deletions are no uploads."""
    for version in listed(s3, "list_object_versions", "Versions", Bucket=bucket, Prefix=UPLOADS):
        if since <= version["LastModified"] <= until:
            yield version["Key"], version["VersionId"], iso(version["LastModified"])


def versions_of(s3: "S3Client", bucket: str, key: str) -> Iterator[StoredVersion]:
    """What the bucket holds under that key alone; listed, since whoever may ask for a version may also read it."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        photos = [(each, True) for each in page.get("Versions", []) if each["Key"] == key]
        marks = [(each, False) for each in page.get("DeleteMarkers", []) if each["Key"] == key]
        yield from ((each["VersionId"], each["LastModified"], is_photo) for each, is_photo in (*photos, *marks))
        if not photos and not marks:  # S3 lists by key, and this one comes before all that begin with it
            return
