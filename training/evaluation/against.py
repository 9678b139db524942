"""Our answers beside those of another service, on the same photos; whatever was paid for is kept and never paid twice.

The service gets each photo upright and whole, of at most 512 pixels, as the gate decoded it, or the small picture that
the workflow carries: no other part of the file leaves the machine. Our model gets what it always gets.
"""

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from scipy.stats import binomtest

from training.data.extract import content_of
from training.data.pictures import Classes, evenly
from training.data.threads import Listener, all_in_threads, in_threads
from training.errors import EvaluationRefusedError, ServiceFailedError
from training.evaluation import scores
from training.evaluation.endpoint import Latency
from training.evaluation.plain import BESIDE, CountedShare
from training.evaluation.report import Answered
from training.evaluation.samples import printable
from training.evaluation.scores import Flags, Judged, Numbers, judge
from training.evaluation.services import ask
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import decode, encode
from vehiclevision.labels import LABELS
from vehiclevision.opinion import Said, Service

AT_A_TIME: Final = 4
# Shares of wrong answers among those that pass, at which both are compared; beside them the one of our threshold.
ERRORS: Final = (0.01, 0.02, 0.05)
# A kept answer is a line of some hundred bytes; what is longer was written by something else.
MAX_LINE_BYTES: Final = 4096


@dataclass(frozen=True)
class Kept:
    """Answers in a file, a line each: what was asked of whom about which picture, and what was said."""

    file: Path
    answers: dict[str, Said]
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def read(cls, file: Path) -> "Kept":
        """What the file holds; a line that is none of ours, such as one cut short, is left alone and asked again."""
        answers: dict[str, Said] = {}
        if file.exists():
            with file.open("rb") as lines:
                for line in lines:
                    answers.update(_kept(line))
        return cls(file, answers)

    def add(self, key: str, said: Said) -> None:
        """Keep an answer: on the disk before the next one is asked for."""
        line = json.dumps({"key": key, **asdict(said)}) + "\n"
        with self.lock, self.file.open("a+b") as lines:
            # What was cut short by a stop must not swallow the next line.
            if lines.tell() and not _ends_a_line(self.file):
                lines.write(b"\n")
            lines.write(line.encode())
            lines.flush()
            os.fsync(lines.fileno())
            self.answers[key] = said


@dataclass(frozen=True)
class Comparison:
    """What is asked of whom: the chosen photos, each with the key under which its answer is kept."""

    service: Service
    region: str
    answered: Answered
    chosen: Classes
    keys: tuple[str, ...]
    kept: Kept
    small: bool

    @property
    def to_ask(self) -> int:
        """Photos without a kept answer: those that cost something. The same picture is asked about once."""
        return len({key for key in self.keys if key not in self.kept.answers})

    def ask(self, listener: Listener) -> list[Said]:
        """What the service says of each chosen photo."""
        missing = {key: int(index) for key, index in zip(self.keys, self.chosen, strict=True)}
        missing = {key: index for key, index in missing.items() if key not in self.kept.answers}
        done = len(self.keys) - len(missing)
        for number, _ in enumerate(in_threads(self._ask, missing.items(), AT_A_TIME)):
            listener(done + number + 1, len(self.keys))
        return [self.kept.answers[key] for key in self.keys]

    def _ask(self, asked: tuple[str, int]) -> None:
        key, index = asked
        try:
            said = ask(self.service, self.region, picture(self.answered, index, small=self.small))
        except ServiceFailedError as error:
            raise ServiceFailedError(error.message, f"{error.hint} Then run the same again: {self.paid}") from error
        self.kept.add(key, said)

    @property
    def paid(self) -> str:
        """What becomes of the answers so far."""
        count = sum(key in self.kept.answers for key in self.keys)
        file = printable(str(self.kept.file))
        return f"{count} of {len(self.keys)} answers are kept in {file}; only the rest is asked for."


def prepare(
    answered: Answered, service: Service, *, region: str, most: int, small: bool, file: Path, listener: Listener
) -> Comparison:
    """Choose at most so many photos, evenly over all classes, and see which answers are kept; nothing is asked yet."""
    samples = answered.samples
    if not samples.paths:
        raise EvaluationRefusedError("Only photos of a folder are compared.", "Name a folder instead of --split.")
    chosen = np.sort(evenly(np.argsort(samples.classes, kind="stable"), most))
    key = partial(_key, service, region)
    keys = all_in_threads(
        lambda index: key(picture(answered, index, small=small)), chosen.tolist(), AT_A_TIME, listener
    )
    return Comparison(service, region, answered, chosen, tuple(keys), Kept.read(file), small)


def picture(answered: Answered, index: int, *, small: bool) -> bytes:
    """What the service gets of a photo."""
    if small:
        return answered.samples.files[index]
    path = answered.samples.paths[index]
    try:
        content = content_of(path)
        if content is not None:
            return encode(decode(content).working)
    except (OSError, InvalidImageError):
        pass
    raise EvaluationRefusedError(
        f"{printable(str(path))} is not what it was a moment ago.", "Leave the folder alone until it is done."
    )


@dataclass(frozen=True)
class Side:
    """One side's answers; no dollars of a service whose price is not known."""

    n: int
    accuracy: CountedShare
    neither_n: int
    ece: float | None
    ece_vehicles: float | None
    dollars_per_million: float | None


@dataclass(frozen=True)
class Theirs:
    """The service's, and what asking it came to."""

    side: Side = field(metadata=BESIDE)
    latency_milliseconds: Latency
    unusable: int
    unusable_reasons: Mapping[str, int]
    tokens_in: int
    tokens_out: int
    dollars: float | None


@dataclass(frozen=True)
class Widest:
    """The lowest threshold that makes no more than so many mistakes, and what passes it; None if there is none."""

    threshold: float | None
    coverage: float | None


@dataclass(frozen=True)
class EqualError:
    """Both where they make as many mistakes."""

    error: float
    of_our_threshold: bool
    ours: Widest
    theirs: Widest


@dataclass(frozen=True)
class Against:
    """Both sides on the same photos."""

    service: str
    words: str
    region: str
    versions: Sequence[str]
    small: bool
    pictures: int
    of_pictures: int
    ours: Side
    theirs: Theirs
    only_ours_right: int
    only_theirs_right: int
    chance_of_such_a_difference: float | None
    equal_error: Sequence[EqualError]


def compared(
    comparison: Comparison,
    said: list[Said],
    threshold: float,
    dollars: Callable[[int, int, int], float | None],
    our_dollars_per_million: float,
) -> Against:
    """Both sets of answers side by side; `dollars` says what so many photos and tokens in and out cost."""
    classes = comparison.answered.samples.classes[comparison.chosen]
    theirs = np.array([each.confidences for each in said], dtype=np.float64).reshape(-1, len(LABELS))
    own = comparison.answered.answers[comparison.chosen]
    ours, others = judge(own, classes), judge(theirs, classes)
    vehicle = ours.vehicle
    only_ours = int((ours.right & ~others.right & vehicle).sum())
    only_theirs = int((others.right & ~ours.right & vehicle).sum())
    tokens = sum(each.tokens_in for each in said), sum(each.tokens_out for each in said)
    spent = dollars(len(said), *tokens)
    unusable = Counter(each.unusable for each in said if each.unusable)
    return Against(
        service=comparison.service.name,
        words=comparison.service.words,
        region=comparison.region,
        versions=sorted({each.version for each in said if each.version}),
        small=comparison.small,
        pictures=len(said),
        of_pictures=len(comparison.answered.samples),
        ours=_side(own, classes, threshold, our_dollars_per_million),
        theirs=Theirs(
            side=_side(theirs, classes, threshold, None if spent is None else round(1e6 * spent / len(said), 2)),
            latency_milliseconds=Latency.of([each.milliseconds for each in said], AT_A_TIME),
            unusable=sum(unusable.values()),
            unusable_reasons=dict(sorted(unusable.items())),
            tokens_in=tokens[0],
            tokens_out=tokens[1],
            dollars=spent,
        ),
        only_ours_right=only_ours,
        only_theirs_right=only_theirs,
        chance_of_such_a_difference=_chance(only_ours, only_theirs),
        equal_error=equal_errors(ours, others, threshold),
    )


def _side(answers: Numbers, classes: Classes, threshold: float, dollars_per_million: float | None) -> Side:
    figures = scores.figures(answers, classes, threshold)
    vehicles, others = figures.shares.of_vehicles, figures.shares.neither_n
    return Side(vehicles.n, vehicles.accuracy, others, figures.ece, figures.ece_vehicles, dollars_per_million)


def equal_errors(ours: Judged, others: Judged, threshold: float) -> list[EqualError]:
    """For each share of wrong answers, how many vehicles pass at most, each at its own best threshold."""
    passed = ours.passed(threshold)
    own = [float((~ours.right[passed]).mean())] if passed.any() else []
    return [
        EqualError(round(error, 6), number < len(own), _at(ours, error), _at(others, error))
        for number, error in enumerate([*own, *ERRORS])
    ]


def _at(judged: Judged, error: float) -> Widest:
    threshold = _widest(judged, error)
    vehicles = judged.part(judged.vehicle)
    if threshold is None or not len(vehicles.truth):
        return Widest(threshold, None)
    return Widest(threshold, round(float(vehicles.passed(threshold).mean()), 6))


def _widest(judged: Judged, error: float) -> float | None:
    """The lowest threshold at which at most this share of what passes is wrong; None if there is none."""
    order = np.argsort(-judged.confidence, kind="stable")
    confidence, wrong = judged.confidence[order], np.cumsum(~judged.right[order])
    passing = np.arange(1, len(order) + 1)
    # Answers that are as sure pass together, and one without any confidence never does.
    last: Flags = np.append(confidence[1:] != confidence[:-1], True) & (confidence > 0)
    good = np.flatnonzero(last & (wrong <= error * passing + 1e-12))
    return float(confidence[good[-1]]) if len(good) else None


def _chance(only_ours: int, only_theirs: int) -> float | None:
    """How often two that are equally good differ at least so much: McNemar's exact test."""
    differ = only_ours + only_theirs
    return round(float(binomtest(only_ours, differ, 0.5).pvalue), 6) if differ else None


def _key(service: Service, region: str, jpeg: bytes) -> str:
    asked = json.dumps([service.name, region, service.question, hashlib.sha256(jpeg).hexdigest()])
    return hashlib.sha256(asked.encode()).hexdigest()


def _kept(line: bytes) -> Mapping[str, Said]:
    """The answer of a line, by its key; nothing where it is no line of ours."""
    if len(line) > MAX_LINE_BYTES:
        return {}
    try:
        told = json.loads(line)
        key, said = told.pop("key"), Said(**{**told, "confidences": tuple(told["confidences"])})
        in_range = all(0 <= float(value) <= 1 for value in said.confidences)
        numbers = (said.milliseconds, said.tokens_in, said.tokens_out)
        sound = isinstance(said.unusable, str | None) and isinstance(said.version, str) and min(numbers) >= 0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return {key: said} if isinstance(key, str) and in_range and sound and len(said.confidences) == len(LABELS) else {}


def _ends_a_line(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
