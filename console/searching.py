"""What a person looks for: the filters in the page's address, and the records that pass them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final
from urllib.parse import urlencode

from console.ledger import Ledger
from vehiclevision.labels import TRUTHS
from vehiclevision.record import Outcome, Record, iso

PAGE_RECORDS: Final = 50
MOST_CHARACTERS: Final = 1024


@dataclass(frozen=True)
class Search:
    """Which records to show; what is empty does not matter. Anything that cannot be meant counts as empty."""

    text: str = ""
    outcome: str = ""
    label: str = ""
    since: str = ""
    until: str = ""
    least: str = ""
    most: str = ""
    page: int = 1

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Search":
        """Read from the address."""
        outcome, label = query.get("outcome", ""), query.get("label", "")
        page = query.get("page", "")
        return cls(
            text=query.get("text", "").strip()[:MOST_CHARACTERS],
            outcome=outcome if outcome in list(Outcome) else "",
            label=label if label in TRUTHS else "",
            since=_moment(query.get("since", "")),
            until=_moment(query.get("until", "")),
            least=_share(query.get("least", "")),
            most=_share(query.get("most", "")),
            page=int(page[:6]) if page.isascii() and page.isdigit() and int(page[:6]) > 0 else 1,
        )

    def address(self, **changed: str | int) -> str:
        """The query of an address that leads to this search, or to one that differs a little."""
        asked = replace(self, **changed)  # type: ignore[arg-type]
        return urlencode({name: value for name, value in vars(asked).items() if value not in ("", 1)})

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves anything out."""
        return replace(self, page=1) != Search()

    def passes(self, record: Record) -> bool:
        """Whether a record is looked for."""
        if self.text and self.text.casefold() not in record.s3_key.casefold() and self.text != record.version_id:
            return False
        if self.outcome and record.outcome != self.outcome:
            return False
        if self.label and self.label != (record.reviewed_label or record.label):
            return False
        if self.least and not (record.confidence is not None and record.confidence >= float(self.least)):
            return False
        if self.most and not (record.confidence is not None and record.confidence <= float(self.most)):
            return False
        return not (self.since or self.until) or self._is_in_time(record)

    def _is_in_time(self, record: Record) -> bool:
        if record.recorded_at is None:
            return False
        at = record.recorded_at
        return (not self.since or at >= _utc(self.since)) and (not self.until or at < _utc(self.until))


@dataclass(frozen=True)
class Found:
    """One page of what was found."""

    records: Sequence[Record]
    total: int
    pages: int


def find(ledger: Ledger, search: Search) -> Found:
    """The page of records that is asked for, each as it is now."""
    passing = [record for record in ledger.newest_first() if search.passes(record)]
    start = (search.page - 1) * PAGE_RECORDS
    shown = ledger.as_they_are(passing[start : start + PAGE_RECORDS])
    return Found(list(filter(search.passes, shown)), len(passing), max(1, -(-len(passing) // PAGE_RECORDS)))


def find_all(ledger: Ledger, search: Search) -> Iterator[Record]:
    """All that is found, each as it is now, a hundred at a time."""
    passing = iter([record for record in ledger.newest_first() if search.passes(record)])
    while some := list(islice(passing, 100)):
        yield from filter(search.passes, ledger.as_they_are(some))


def today(ledger: Ledger) -> Counter[Outcome]:
    """How many photos of today ended in each way; the day begins at midnight here."""
    midnight = iso(datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0))
    totals: Counter[Outcome] = Counter()
    for record in ledger.newest_first():
        if (record.recorded_at or "") < midnight:
            break
        totals[record.outcome] += 1
    return totals


def _moment(text: str) -> str:
    """A local time as a browser writes it, or nothing."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(timespec="minutes")
    except ValueError:
        return ""


def _share(text: str) -> str:
    try:
        return f"{float(text):g}" if 0 <= float(text) <= 1 else ""
    except ValueError:
        return ""


def _utc(local: str) -> str:
    try:
        return iso(datetime.fromisoformat(local).astimezone())
    except (ValueError, OverflowError):
        return local
