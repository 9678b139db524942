"""Images in, outcomes out: uploads files and waits for the record of each version."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from cli.sources import LeftOut, Source
from cli.target import UPLOAD_THREADS, Target
from cli.uploads import NotUploaded, Uploaded, Uploads
from vehiclevision.record import Outcome, Record

# Looking often while images finish, rarely while none does; 500 keys are five calls.
SHORTEST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
KEYS_PER_LOOK: Final = 500


@dataclass(frozen=True)
class Ended:
    """One image that needs no more waiting; without an outcome it never got as far as a record."""

    key: str
    version_id: str | None = None
    outcome: Outcome | None = None
    label: str | None = None
    confidence: float | None = None
    route: str | None = None
    reason: str | None = None
    seconds: float | None = None
    detail: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the image has been dealt with: any record but FAILED."""
        return self.outcome not in (None, Outcome.FAILED)

    def to_json(self) -> dict[str, Any]:
        """The line that --json prints."""
        seconds = None if self.seconds is None else round(self.seconds, 3)
        return {name: value for name, value in asdict(self).items() if name != "detail"} | {"seconds": seconds}


def drop(target: Target, sources: Sequence[Source], timeout_seconds: float) -> Iterator[Uploaded | Ended]:
    """Upload all sources, and report each upload and each image's end as it comes.

    Waiting ends when for so many seconds nothing was uploaded and no image ended.
    """
    bucket = target.output("BucketName")
    table = target.results
    uploads = Uploads(target.client("s3"), bucket, sources, UPLOAD_THREADS)
    pending: dict[tuple[str, str], Uploaded] = {}
    pause_seconds, last_news = SHORTEST_PAUSE_SECONDS, time.monotonic()
    try:
        while uploads.remaining or pending:
            for event in _uploaded(uploads, pause_seconds):
                last_news = time.monotonic()
                if isinstance(event, NotUploaded):
                    yield Ended(event.source.key, reason=event.reason, detail=event.detail)
                else:
                    pending[event.source.key, event.version_id] = event
                    yield event
            records = table.look_up(bucket, list(islice(pending, KEYS_PER_LOOK)))
            for version, record in records.items():
                last_news = time.monotonic()
                yield ended(record, _seconds(record, pending.pop(version)))
            _to_the_end(pending, KEYS_PER_LOOK - len(records))
            pause_seconds = SHORTEST_PAUSE_SECONDS if records else min(pause_seconds * 1.5, LONGEST_PAUSE_SECONDS)
            if not uploads.remaining and time.monotonic() - last_news > timeout_seconds:
                yield from (_overdue(upload, timeout_seconds) for upload in pending.values())
                return
    finally:
        uploads.stop()


def ended(record: Record, seconds: float | None) -> Ended:
    """The end that a record tells of."""
    same = {name: getattr(record, name) for name in ("version_id", "outcome", "label", "confidence", "route", "reason")}
    return Ended(record.s3_key, **same, seconds=seconds, detail=record.hint or "")


def left_out(item: LeftOut) -> Ended:
    """The end of a file that has no place in the bucket, under the name it has here."""
    name = str(item.path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Ended(name, reason=item.reason, detail=item.detail)


def _uploaded(uploads: Uploads, pause_seconds: float) -> Iterator[Uploaded | NotUploaded]:
    """What was uploaded during the pause; the pause ends early with the first of them."""
    if not uploads.remaining:
        time.sleep(pause_seconds)
        return
    event = uploads.next(pause_seconds)
    while event is not None:
        yield event
        event = uploads.next(0)


def _to_the_end(pending: dict[tuple[str, str], Uploaded], looked_at: int) -> None:
    """Let the next look begin with others: the oldest may be the ones that take long."""
    if len(pending) > KEYS_PER_LOOK:
        for version in list(islice(pending, looked_at)):
            pending[version] = pending.pop(version)


def _seconds(record: Record, upload: Uploaded) -> float:
    """From upload to record by the workflow's clock, or by ours where the two clocks disagree."""
    waited = time.monotonic() - upload.at_seconds
    if record.recorded_at is None:
        return waited
    by_workflow = datetime.fromisoformat(record.recorded_at).timestamp() - upload.at_clock_seconds
    return by_workflow if 0 <= by_workflow <= waited else waited


def _overdue(upload: Uploaded, timeout_seconds: float) -> Ended:
    detail = f"it is uploaded, but nothing was recorded for {timeout_seconds:g} s; see: vehiclevision logs"
    seconds = time.monotonic() - upload.at_seconds
    return Ended(upload.source.key, upload.version_id, reason="NO_RECORD_YET", seconds=seconds, detail=detail)
