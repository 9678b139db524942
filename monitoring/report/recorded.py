"""What the application's own records add to captured data: how long images took, and which model answered.

Captured data says when, never how long, and names a model only where the request did.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Final

from monitoring.captures.source import Window
from vehiclevision.record import ANSWERED, BACKFILL, Outcome, Record, iso
from vehiclevision.results import ResultsTable

# Of each outcome the newest: enough for a p99, whatever the table holds.
MAX_RECORDS: Final = 20_000
NOT_CAPTURED: Final = (
    "Captured data does not say how long an answer took. Without --from, the application’s own records do."
)
NOT_RECORDED: Final = "No upload was recorded in this window."
WHOLE_SECONDS: Final = "S3 gives the time of an upload in whole seconds, so the first row may be up to a second long."


@dataclass(frozen=True)
class Recorded:
    """Seconds of the images that the endpoint answered, and the versions that did; `why` says why there are none.

    Images that were refused have no answer: they are counted by their reasons, None where nothing is known of them.
    """

    why: str = NOT_CAPTURED
    upload_to_record: list[float] = field(default_factory=list)
    start_to_record: list[float] = field(default_factory=list)
    model_versions: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] | None = None


def read(results: ResultsTable, window: Window | None) -> Recorded:
    """All images recorded in the window, of very many the newest."""
    recorded = Recorded(WHOLE_SECONDS)
    between = (iso(window.start), iso(window.end)) if window else None
    for outcome in ANSWERED:
        for record in islice(results.of_outcome(outcome, between=between), MAX_RECORDS):
            _count(recorded, record)
    refused = islice(results.of_outcome(Outcome.REJECTED, between=between), MAX_RECORDS)
    why = recorded.why if recorded.upload_to_record else NOT_RECORDED
    return replace(recorded, why=why, refused=Counter(record.reason or "unknown" for record in refused))


def _count(recorded: Recorded, record: Record) -> None:
    ended = _time(record.recorded_at)
    # What a backfill went through had lain in its bucket for years, and nobody waited.
    lay_there = (record.execution or "").rpartition(":")[2].startswith(BACKFILL)
    for text, seconds in (
        (None if lay_there else record.uploaded_at, recorded.upload_to_record),
        (record.started_at, recorded.start_to_record),
    ):
        begun = _time(text)
        if ended and begun and ended >= begun:
            seconds.append((ended - begun).total_seconds())
    if record.model_version:
        recorded.model_versions[record.model_version] += 1


def _time(text: str | None) -> datetime | None:
    """The moment that a text names; None if it names none, or none of any zone."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
