"""A window's captures in one pass and constant memory: counts, an even sample, and the pictures worth showing.

Summaries of parts add up to that of the whole, whatever the order, so several processes can share the work and the
same files always give the same summary.
"""

import bisect
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from monitoring.captures.drawn import Drawn, interval
from monitoring.captures.reader import Block, Tally, records
from monitoring.captures.record import Captured, Unreadable
from monitoring.captures.sharing import Reading, share_out
from monitoring.captures.source import Selection, Source, Window
from monitoring.measure import MEASURES, Numbers, Seen, measure, see
from vehiclevision.answer import Answer
from vehiclevision.labels import LABELS, REVIEW

SAMPLE_SIZE: Final = 10_000
# Of so many pictures of the sample the model's input is kept, for whatever a model alone can measure: at most 24 MiB,
# mostly 10, and some seconds for the model.
PICTURES: Final = 500
EXAMPLES: Final = 24
EXTREMES: Final = 4
CONFIDENCE_BINS: Final = 100
MAX_NAMES: Final = 1000
OTHER: Final = "(other)"
COLUMNS: Final = (*MEASURES, *LABELS, "confidence", "at")

# What waits to be measured is held decoded: at most 192 KiB a picture.
_BATCH: Final = 64
# Confidences are added up as whole numbers: a sum of floats would depend on the order.
_PARTS: Final = 1_000_000_000
_NO_ANSWER: Final = (math.nan,) * len(LABELS)


@dataclass(slots=True)
class Hour:
    """What was asked and answered in one hour; passed and review add up to n less the records without an answer."""

    n: int = 0
    # Answers that reached the threshold, by their label.
    passed_as: Counter[str] = field(default_factory=Counter)
    review: int = 0
    confidence_parts: int = 0

    @property
    def passed(self) -> int:
        """Answers that reached the threshold."""
        return self.passed_as.total()

    @property
    def answered(self) -> int:
        """Records with an answer."""
        return self.passed + self.review

    @property
    def by_label(self) -> dict[str, int]:
        """Answers by what became of them."""
        return {**{label: self.passed_as[label] for label in LABELS}, REVIEW: self.review}

    @property
    def confidence_sum(self) -> float:
        """The sum over all answers of the surest label's confidence."""
        return self.confidence_parts / _PARTS

    def add(self, other: "Hour") -> None:
        """Take in another part of the same hour."""
        self.n += other.n
        self.passed_as.update(other.passed_as)
        self.review += other.review
        self.confidence_parts += other.confidence_parts


@dataclass(frozen=True, slots=True)
class Labelled:
    """A captured picture whose label a person has given."""

    answer: Answer
    label: str
    at: datetime | None
    digest: str


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to show: re-encoded as a JPEG, no larger than the model's input."""

    picture: bytes = field(repr=False)
    answer: Answer | None
    at: datetime | None
    digest: str
    label: str | None
    # What it was chosen by: its confidence, or the measure that is extreme.
    value: float


@dataclass(frozen=True, slots=True)
class Extremes:
    """The pictures at both ends of a measure, the outermost first."""

    low: tuple[Example, ...]
    high: tuple[Example, ...]


@dataclass(frozen=True)
class Sample:
    """An even sample of the records with an answer or a picture, in columns; NaN where a record lacks the value."""

    columns: Mapping[str, Numbers]
    digest: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.digest)

    def __getitem__(self, name: str) -> Numbers:
        return self.columns[name]


@dataclass
class Read(Tally):
    """What became of files and lines; every line of every file counts once."""

    # Every line of every file read is one or the other.
    records_read: int = 0
    records_unreadable: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    # Read, but of another time than asked for: they count nowhere below.
    outside_window: int = 0
    # Those of the window.
    records: int = 0
    without_answer: int = 0
    without_picture: int = 0
    broken_pictures: int = 0
    without_time: int = 0


@dataclass
class Summary(Read):
    """What the captures of a window say."""

    threshold: float = field(kw_only=True)
    first: datetime | None = None
    last: datetime | None = None
    hours: dict[datetime, Hour] = field(default_factory=dict)
    # By the surest label: how many confidences in each hundredth.
    confidences: dict[str, npt.NDArray[np.int64]] = field(
        default_factory=lambda: {label: np.zeros(CONFIDENCE_BINS, np.int64) for label in LABELS}
    )
    model_versions: Counter[str] = field(default_factory=Counter)
    # "endpoint/variant" as the keys say.
    endpoints: Counter[str] = field(default_factory=Counter)
    # All hours together, with the records that say no time.
    total: Hour = field(default_factory=Hour)
    sample: Sample = field(default_factory=lambda: _sample([]))
    # JPEGs of the model's size, by the digest of what was captured.
    pictures: dict[str, bytes] = field(default_factory=dict)
    least_sure: tuple[Example, ...] = ()
    mistakes: tuple[Example, ...] = ()
    extremes: dict[str, Extremes] = field(default_factory=dict)
    # The last answer to each labelled picture.
    labelled: tuple[Labelled, ...] = ()
    # Where only a sample of the files is read: each file's answers, and how many of them pass.
    by_file: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def drawn_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the share that passes where only a sample was read; None where everything was."""
        return interval(self.by_file.values()) if self.files_left_out else None


def summarise(
    source: Source,
    *,
    threshold: float,
    labels: Mapping[str, str] | None = None,
    window: Window | None = None,
    endpoint: str | None = None,
    variant: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Read everything wanted once; `progress` gets bytes read and found.

    Where it is much, several processes share the work, unless `workers` says how many; one starts no process at all.
    """
    drawn = source if isinstance(source, Drawn) else None
    make = partial(_Part, threshold, dict(labels or {}), window, drawn is not None)
    reading = Reading(source, Selection(window, endpoint, variant), progress)
    whole = make()
    for part in share_out(reading, make, workers):
        whole.merge(part)
    summary = whole.summary(reading.tally)
    return replace(summary, files_left_out=drawn.left_out) if drawn else summary


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record until its batch is measured."""

    answer: Answer | None
    confidence: float
    label: str
    at: datetime | None
    order: int
    seen: Seen | None

    @property
    def moment(self) -> float:
        return self.at.timestamp() if self.at else math.nan


class _Best:
    """The pictures with the smallest values, each picture once; the same ones whatever order they come in."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[tuple[float, str, float], Example]] = []

    @property
    def bound(self) -> float:
        """Greater values need not be offered."""
        return self._kept[-1][0][0] if len(self._kept) == self._size else math.inf

    def offer(self, value: float, at: datetime | None, digest: str, make: Callable[[], Example]) -> None:
        """Keep the picture if it is among the smallest."""
        key = (value, digest, at.timestamp() if at else math.inf)
        if len(self._kept) == self._size and key >= self._kept[-1][0]:
            return
        for index, (other, _) in enumerate(self._kept):
            if other[1] == digest:
                if key >= other:
                    return
                del self._kept[index]
                break
        bisect.insort(self._kept, (key, make()), key=itemgetter(0))
        del self._kept[self._size :]

    def merge(self, other: "_Best") -> None:
        """Take in what another part has kept."""
        for (value, digest, _), example in other._kept:
            self.offer(value, example.at, digest, lambda example=example: example)  # type: ignore[misc]

    def examples(self) -> tuple[Example, ...]:
        """The smallest first."""
        return tuple(example for _, example in self._kept)


class _Part:
    """The summary of some blocks, in the making."""

    def __init__(
        self, threshold: float, labels: Mapping[str, str], window: Window | None, count_by_file: bool = False
    ) -> None:
        self._labels, self._window, self._count_by_file = labels, window, count_by_file
        self._counts = Summary(threshold=threshold)
        self._waiting: list[_Waiting] = []
        self._pool: list[tuple[int, str, tuple[float, ...]]] = []
        self._cut = self._pictures_cut = 1 << 64
        self._pictures: list[tuple[int, str, bytes]] = []
        self._least_sure, self._mistakes = _Best(EXAMPLES), _Best(EXAMPLES)
        # Of each measure the lowest values, and with the other sign the highest.
        self._ends = {(name, sign): _Best(EXTREMES) for name in MEASURES for sign in (1, -1)}
        self._labelled: dict[str, tuple[float, int, Labelled]] = {}

    def take(self, block: Block) -> None:
        """Work one block in."""
        counts, before = self._counts, (self._counts.total.answered, self._counts.total.passed)
        for number, line in enumerate(records(block)):
            if isinstance(line, Unreadable):
                counts.records_unreadable += 1
                counts.unreadable[line.reason] += 1
            else:
                counts.records_read += 1
                self._count(line, block, number)
            if len(self._waiting) >= _BATCH:
                self.close()
        if self._count_by_file:
            more = (counts.total.answered - before[0], counts.total.passed - before[1])
            _add_answers(counts.by_file, block.origin.rpartition(":")[0], more)

    def _count(self, record: Captured, block: Block, number: int) -> None:
        counts, parts = self._counts, block.parts
        at = record.at or (parts.hour if parts else None)
        if self._window is not None and (at is None or at not in self._window):
            counts.outside_window += 1
            return
        counts.records += 1
        confidence, label = (record.answer.confidence, record.answer.label) if record.answer else (math.nan, "")
        _count_hours(counts, at, confidence, label)
        if record.answer is None:
            counts.without_answer += 1
        else:
            counts.confidences[label][min(int(confidence * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)] += 1
        if record.at is None:
            counts.without_time += 1
        else:
            counts.first = min(counts.first or record.at, record.at)
            counts.last = max(counts.last or record.at, record.at)
        if record.model_version:
            _add_names(counts.model_versions, {record.model_version: 1})
        if parts:
            _add_names(counts.endpoints, {f"{parts.endpoint}/{parts.variant}": 1})
        seen = see(record.picture) if record.picture is not None else None
        counts.without_picture += record.picture is None
        counts.broken_pictures += record.picture is not None and seen is None
        if seen is not None or record.answer is not None:
            name = f"{record.event_id}|{record.at}" if record.event_id else f"{block.origin}:{number}"
            order = hashlib.blake2b(f"{name}|{seen.digest if seen else ''}".encode(errors="replace"), digest_size=8)
            self._waiting.append(
                _Waiting(record.answer, confidence, label, record.at, int.from_bytes(order.digest()), seen)
            )

    def close(self) -> None:
        """Measure the pictures that wait, all at once, and see which records to keep."""
        waiting, self._waiting = self._waiting, []
        with_picture = [each for each in waiting if each.seen]
        measured = measure([each.seen for each in with_picture if each.seen])
        self._show(with_picture, measured)
        rows = iter(zip(*(measured[name] for name in MEASURES), strict=True))
        nothing = (math.nan,) * len(MEASURES)
        for each in waiting:
            row = next(rows) if each.seen else nothing
            if each.order < self._cut:
                values = (*row, *(each.answer.confidences if each.answer else _NO_ANSWER), each.confidence, each.moment)
                self._pool.append((each.order, each.seen.digest if each.seen else "", values))
            if each.seen and each.order < self._pictures_cut:
                self._pictures.append((each.order, each.seen.digest, each.seen.as_model_sees_it()))
        self._trim(2 * SAMPLE_SIZE)

    def _trim(self, allowed: int) -> None:
        if len(self._pool) > allowed:
            self._pool.sort(key=itemgetter(0, 1))
            del self._pool[SAMPLE_SIZE:]
            self._cut = self._pool[-1][0]
        # These weigh much: few more than will be kept are held.
        if len(self._pictures) > PICTURES + _BATCH:
            self._pictures.sort(key=itemgetter(0, 1))
            del self._pictures[PICTURES:]
            self._pictures_cut = self._pictures[-1][0]

    def _show(self, waiting: list[_Waiting], measured: Mapping[str, Numbers]) -> None:
        """Offer the batch's pictures to whatever keeps examples."""
        for (name, sign), best in self._ends.items():
            values = sign * measured[name]
            for index in np.flatnonzero(values <= best.bound):
                self._offer(best, float(values[index]), waiting[index], float(measured[name][index]))
        for each in waiting:
            if not each.answer or not each.seen:
                continue
            if each.confidence <= self._least_sure.bound:
                self._offer(self._least_sure, each.confidence, each, each.confidence)
            given = self._labels.get(each.seen.digest)
            if given is None:
                continue
            if given != each.label and (given in LABELS or each.confidence >= self._counts.threshold):
                self._offer(self._mistakes, -each.confidence, each, each.confidence)
            self._label(each.order, Labelled(each.answer, given, each.at, each.seen.digest))

    def _offer(self, best: _Best, value: float, each: _Waiting, shown: float) -> None:
        seen = each.seen
        if seen is None:
            return
        best.offer(
            value,
            each.at,
            seen.digest,
            lambda: Example(seen.to_show(), each.answer, each.at, seen.digest, self._labels.get(seen.digest), shown),
        )

    def _label(self, order: int, labelled: Labelled) -> None:
        """Remember the last answer to each labelled picture; the order decides between two of the same second."""
        entry = (labelled.at.timestamp() if labelled.at else -math.inf, order, labelled)
        known = self._labelled.get(labelled.digest)
        if known is None or entry[:2] > known[:2]:
            self._labelled[labelled.digest] = entry

    def merge(self, other: "_Part") -> None:
        """Take in another part."""
        _add(self._counts, other._counts)
        self._pool += other._pool
        self._pictures += other._pictures
        self._trim(2 * SAMPLE_SIZE)
        self._least_sure.merge(other._least_sure)
        self._mistakes.merge(other._mistakes)
        for end, best in self._ends.items():
            best.merge(other._ends[end])
        for _, order, labelled in other._labelled.values():
            self._label(order, labelled)

    def summary(self, tally: Tally) -> Summary:
        """The finished summary."""
        self._trim(SAMPLE_SIZE)
        self._pool.sort(key=itemgetter(0, 1))
        return replace(
            self._counts,
            **vars(tally),
            hours=dict(sorted(self._counts.hours.items())),
            sample=_sample(self._pool),
            pictures={digest: jpeg for _, digest, jpeg in sorted(self._pictures)[:PICTURES]},
            least_sure=self._least_sure.examples(),
            mistakes=self._mistakes.examples(),
            extremes={name: Extremes(*(self._ends[name, sign].examples() for sign in (1, -1))) for name in MEASURES},
            labelled=tuple(labelled for _, _, labelled in sorted(self._labelled.values(), key=itemgetter(0, 1))),
        )


def _count_hours(counts: Summary, at: datetime | None, confidence: float, label: str) -> None:
    hours = [counts.total]
    if at is not None:
        hours.append(counts.hours.setdefault(at.replace(minute=0, second=0, microsecond=0), Hour()))
    for hour in hours:
        hour.n += 1
        if label:
            if confidence >= counts.threshold:
                hour.passed_as[label] += 1
            else:
                hour.review += 1
            hour.confidence_parts += round(confidence * _PARTS)


def _add(counts: Summary, other: Summary) -> None:
    for each in fields(Read):
        setattr(counts, each.name, getattr(counts, each.name) + getattr(other, each.name))
    _add_names(counts.model_versions, other.model_versions)
    _add_names(counts.endpoints, other.endpoints)
    counts.total.add(other.total)
    for at, hour in other.hours.items():
        counts.hours.setdefault(at, Hour()).add(hour)
    for label in LABELS:
        counts.confidences[label] += other.confidences[label]
    for file, more in other.by_file.items():
        _add_answers(counts.by_file, file, more)
    counts.first = min((at for at in (counts.first, other.first) if at), default=None)
    counts.last = max((at for at in (counts.last, other.last) if at), default=None)


def _add_answers(by_file: dict[str, tuple[int, int]], file: str, more: tuple[int, int]) -> None:
    answered, passed = by_file.get(file, (0, 0))
    by_file[file] = (answered + more[0], passed + more[1])


def _add_names(counted: Counter[str], names: Mapping[str, int]) -> None:
    """Count names from outside; whoever invents a new one each time must not fill the memory."""
    for name, number in names.items():
        counted[name if name in counted or len(counted) < MAX_NAMES else OTHER] += number


def _sample(pool: Sequence[tuple[int, str, tuple[float, ...]]]) -> Sample:
    values = np.array([row for _, _, row in pool], np.float64).reshape(-1, len(COLUMNS))
    columns = {name: values[:, number].copy() for number, name in enumerate(COLUMNS)}
    return Sample(columns, tuple(digest for _, digest, _ in pool))
