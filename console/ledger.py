"""The newest records in memory, so that a search does not read the whole table each time.

What is shown is looked up again before it is shown: memory says only which records to ask for. So nothing that was
erased, decided or announced meanwhile is shown as it was.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

from vehiclevision.record import Outcome, Record
from vehiclevision.results import ResultsTable

# Ten thousand records take about twenty megabytes.
MOST_RECORDS: Final = 50_000
FIRST_RECORDS: Final = 100
# An index in DynamoDB may lag behind its table; so far back it is read again.
LAG: Final = timedelta(seconds=30)
FOREVER: Final = "9999"
FRESH_SECONDS: Final = 1.0
# So long a page waits for what is new; a large table on the local AWS takes a second.
PATIENCE_SECONDS: Final = 0.15

Identity: TypeAlias = tuple[str, str, str]


def identity_of(record: Record) -> Identity:
    """What tells a record from all others: bucket, key and version."""
    return record.s3_bucket, record.s3_key, record.version_id


@dataclass
class Ledger:
    """Records, newest first; several threads may read and refresh it."""

    results: ResultsTable
    most: int = MOST_RECORDS
    # Whether nobody loads it in the background, so that whoever needs it first does; it then waits for what is new.
    on_demand: bool = False
    is_complete: bool = False
    _records: dict[Identity, Record] = field(default_factory=dict)
    _ordered: list[Record] | None = None
    _newest: str = ""
    _refreshed_at: float = 0.0
    _reading: Future[None] | None = None
    # What is new here, or not as it was, whoever had it read; None while nobody watches.
    _news: dict[Identity, Record] | None = None
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "ledger"))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Read everything again: first what is newest, so that there is something to show, then the rest."""
        if not self._records:
            self._take(self.results.newest(list(Outcome), FIRST_RECORDS), is_news=False)
        records = [record for outcome in Outcome for record in islice(self.results.of_outcome(outcome), self.most)]
        newest = sorted(records, key=_recorded_at, reverse=True)[: self.most]
        self._take(newest, is_news=self.is_complete, is_all=True)
        self.is_complete = True

    def refresh(self) -> None:
        """Read what was recorded since the last time."""
        self._refreshed_at = time.monotonic()
        since = self._newest
        if since:
            since = (datetime.fromisoformat(since) - LAG).astimezone(UTC).isoformat(timespec="milliseconds")
        between, most = ((since, FOREVER), self.most) if since else (None, FIRST_RECORDS)
        fresh = [
            record for outcome in Outcome for record in islice(self.results.of_outcome(outcome, between=between), most)
        ]
        self._take(fresh, is_news=bool(since) or self.is_complete)

    def keep_up(self) -> None:
        """Read what is new, unless that was done a moment ago; where it takes long, the next page has it."""
        if self.on_demand:
            if not self.is_complete:
                self.load()
            elif time.monotonic() - self._refreshed_at > FRESH_SECONDS:
                self.refresh()
            return
        with self._lock:
            if self._reading is None or (
                self._reading.done() and time.monotonic() - self._refreshed_at > FRESH_SECONDS
            ):
                self._reading = self._reader.submit(self.refresh)
        with contextlib.suppress(TimeoutError):
            self._reading.result(PATIENCE_SECONDS)

    def watch(self) -> list[Record]:
        """What has changed since this was asked last, whoever had it read: from the first time on it is noted."""
        with self._lock:
            news, self._news = self._news or {}, {}
            return list(news.values())

    def ignore(self) -> None:
        """Note no more what changes."""
        with self._lock:
            self._news = None

    def look_again(self, record: Record) -> None:
        """Note what a record has become, if it is still there."""
        self._take(list(self.as_they_are([record])))

    def take(self, record: Record) -> None:
        """Note what a record has become."""
        self._take((record,))

    def newest_first(self) -> Sequence[Record]:
        """All records as they were when they were last read."""
        with self._lock:
            if self._ordered is None:
                self._ordered = sorted(self._records.values(), key=_recorded_at, reverse=True)
            return self._ordered

    def as_they_are(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records, read again; without those that are gone."""
        asked = list(records)
        for bucket in dict.fromkeys(record.s3_bucket for record in asked):
            own = [(record.s3_key, record.version_id) for record in asked if record.s3_bucket == bucket]
            now = self.results.look_up(bucket, own)
            for key, version in own:
                if record := now.get((key, version)):
                    yield record
                else:
                    self._forget((bucket, key, version))

    def _take(self, records: Iterable[Record], *, is_news: bool = True, is_all: bool = False) -> None:
        taken = {identity_of(record): record for record in records}
        with self._lock:
            changed = {each: record for each, record in taken.items() if self._records.get(each) != record}
            if is_all:
                self._records = taken
            else:
                self._records.update(changed)
            if changed or is_all:
                self._ordered = None
            if is_news and self._news is not None:
                self._news.update(changed)
            self._newest = max((record.recorded_at or "" for record in self._records.values()), default="")

    def _forget(self, identity: Identity) -> None:
        with self._lock:
            if self._records.pop(identity, None):
                self._ordered = None


def _recorded_at(record: Record) -> str:
    return record.recorded_at or ""
