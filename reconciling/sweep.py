"""The join on a schedule: what was uploaded and recorded since last time, a page at a time, as long as there is time.

Only the bucket knows what was uploaded: an event that never came left no trace anywhere else. So each sweep lists all
versions under uploads/, a thousand a call, and looks up only those that came since the sweep before. What it costs and
how long it takes is in docs/decisions/0019-a-sweep-of-the-bucket.md.

Letters are left alone: who reads them hides them from others, and they have alarms of their own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from reconciling import gaps
from reconciling.gaps import UNDER_WAY, Gap, batches, missing_of, standing, versions_of
from reconciling.ledger import Ledger, Position
from vehiclevision.record import NO_VERSION, iso
from vehiclevision.results import UPLOADS, ResultsTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The first sweep looks so far back, as the command does; records must be kept longer than that.
FIRST_LOOK: Final = timedelta(days=30)
# The index is read a day at a time: at a million photos a day that is a gigabyte and a half, and about a minute.
RECORDED_STEP: Final = timedelta(days=1)
# After a day the bucket gives an upload in parts up; S3 goes through such rules once a day, and so do we.
PARTS_TAKE: Final = timedelta(days=3)
# With so many gaps open it stays where it is: it finds the others when these are closed.
MOST_OPEN: Final = 10_000
# What is left of the time is for the last step, and for saying how far it came.
SECONDS_LEFT: Final = 180.0


@dataclass(frozen=True)
class Parts:
    """What is joined, and what remembers."""

    s3: "S3Client"
    results: ResultsTable
    ledger: Ledger
    bucket: str


@dataclass(frozen=True)
class Swept:
    """How a run of the join ended: the gaps that are open, how many versions it listed, until when all is joined."""

    open: tuple[Gap, ...]
    versions: int
    joined_until: datetime


def sweep(parts: Parts, now: datetime, seconds_left: Callable[[], float]) -> Swept:
    """Look at the open gaps again, then go on where the last run ended; at most to the end of one sweep."""
    still_open = {gap.photo.version: gap for gap in _still_open(parts)}
    begun = parts.ledger.position() or _first(now)
    position = _with_new_end(begun, now)
    versions = 0
    while seconds_left() > SECONDS_LEFT and len(still_open) < MOST_OPEN and position.since < position.until:
        position, found, listed = step(parts, position)
        versions += listed
        # First what was found, then how far: broken off in between it is found again.
        for gap in found:
            parts.ledger.open(gap)
            still_open[gap.photo.version] = gap
        position = parts.ledger.move(position)
    return Swept(tuple(still_open.values()), versions, position.since)


def _first(now: datetime) -> Position:
    since = now - UNDER_WAY - FIRST_LOOK
    return Position(since, since, since)


def _with_new_end(position: Position, now: datetime) -> Position:
    """A sweep that has ended is followed by one until a quarter of an hour ago: younger photos may be under way."""
    ended = position.since >= position.until
    return replace(position, until=max(position.since, now - UNDER_WAY)) if ended else position


def step(parts: Parts, position: Position) -> tuple[Position, list[Gap], int]:
    """A day of records, or when these are joined a page of versions; where to go on, what it found, how many."""
    if position.recorded < position.until:
        end = min(position.recorded + RECORDED_STEP, position.until)
        # The ledger knows the upload bucket only; failures in another one are named by the command.
        recorded = gaps.of_records(parts.results, position.recorded, end)
        of_bucket = [gap for gap in recorded if gap.photo.bucket == parts.bucket]
        return replace(position, recorded=end), of_bucket, 0
    page: Any = parts.s3.list_object_versions(Bucket=parts.bucket, Prefix=UPLOADS, **position.markers)
    versions = page.get("Versions", [])
    fresh = {
        (each["Key"], each["VersionId"]): iso(each["LastModified"])
        for each in versions
        if _looked_for_since(each, position) < each["LastModified"] <= position.until
    }
    of_bucket = list(gaps.of_versions(parts.results, parts.bucket, fresh))
    if page.get("IsTruncated"):
        markers = {"key_marker": page["NextKeyMarker"], "version_marker": page.get("NextVersionIdMarker", "")}
        return replace(position, **markers), of_bucket, len(versions)
    return replace(position, since=position.until, key_marker="", version_marker=""), of_bucket, len(versions)


def _looked_for_since(version: Any, position: Position) -> datetime:
    """S3 dates what was uploaded in parts by its beginning: the first sweep of a day looks for those of before, too.

    The tag of such a version ends in the number of its parts.
    """
    is_first = position.since.date() < position.until.date()
    return position.since - PARTS_TAKE if is_first and "-" in version["ETag"] else position.since


def _still_open(parts: Parts) -> Iterator[Gap]:
    """The gaps of before that are still there; the others are forgotten."""
    for some in batches(parts.ledger.photos(parts.bucket), 1000):
        recorded = parts.results.look_up(parts.bucket, [photo.version for photo, _ in some])
        for photo, since in some:
            record = recorded.get(photo.version)
            if record and photo.version_id == NO_VERSION:
                record = standing(parts.results, photo)
            missing = missing_of(record)
            stored = versions_of(parts.s3, parts.bucket, photo.key)
            if missing and (record or any(is_photo and at == photo.version_id for at, _, is_photo in stored)):
                yield Gap(missing, photo, since)
            else:
                parts.ledger.close(photo)
