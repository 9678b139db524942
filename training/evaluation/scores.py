"""How good answers are: every share with its count and Wilson's 95 % interval.

Whatever has nothing to be a share of is None, never NaN. An answer passes as it does in the product: the highest
probability reaches the threshold.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from training.data.pictures import Classes
from training.evaluation.plain import BESIDE, CountedShare
from vehiclevision.labels import LABELS, REVIEW, TRUTHS

Numbers: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

# Of a 95 % interval. Where this runs in Lambda, there is no room for scipy.
Z: Final = NormalDist().inv_cdf(0.975)
VERDICTS: Final = (*LABELS, REVIEW)
CALIBRATION_BINS: Final = 10
CURVE_THRESHOLDS: Final = tuple(round(number / 200, 3) for number in range(201))


@dataclass(frozen=True)
class Judged:
    """Answers beside the truth, one entry a picture."""

    truth: Classes
    confidence: Numbers
    answered: Classes

    @property
    def vehicle(self) -> Flags:
        """Pictures that show one of the vehicles."""
        vehicle: Flags = self.truth < len(LABELS)
        return vehicle

    @property
    def right(self) -> Flags:
        """Pictures whose surest label is theirs; those without any vehicle never are."""
        right: Flags = self.answered == self.truth
        return right

    def passed(self, threshold: float | Numbers) -> Flags:
        """Answers that the workflow would act on, at one threshold or at one for each."""
        passed: Flags = self.confidence >= threshold
        return passed

    def part(self, chosen: Flags) -> "Judged":
        """Some of them."""
        return Judged(self.truth[chosen], self.confidence[chosen], self.answered[chosen])


def judge(answers: npt.NDArray[np.floating], classes: Classes) -> Judged:
    """Answers [n, labels] beside classes, of which all beyond the labels are neither; a tie is no label's."""
    # In double precision, as the product compares them: a float32 of 0.7 lies below 0.7.
    exact = np.asarray(answers, dtype=np.float64).reshape(-1, len(LABELS))
    return Judged(np.minimum(classes, len(LABELS)), exact.max(axis=1, initial=0.0), surest(exact))


def surest(answers: Numbers) -> Classes:
    """Which label of answers [n, labels] is the surest; -1 where several are."""
    highest = answers.max(axis=1, initial=0.0, keepdims=True)
    tied = (answers == highest).sum(axis=1) > 1
    labels: Classes = np.where(tied, -1, answers.argmax(axis=1))
    return labels


@dataclass(frozen=True)
class OfVehicles:
    """Of n vehicles the share whose surest label is theirs, however sure; the share that passes; the right of those."""

    n: int
    accuracy: CountedShare
    coverage: CountedShare
    accuracy_covered: CountedShare
    covered_n: int


@dataclass(frozen=True)
class Shares:
    """The four shares that everything is judged by: those of vehicles, and the share of other pictures that passes."""

    of_vehicles: OfVehicles = field(metadata=BESIDE)
    neither_n: int
    neither_passed: CountedShare


@dataclass(frozen=True)
class Figures:
    """All figures at a threshold.

    `ece`: the calibration error over all pictures, an answer to a picture with neither being wrong; `ece_vehicles`:
    over vehicles alone; `ece_balanced`: over all, vehicles and others weighing half each.
    """

    shares: Shares = field(metadata=BESIDE)
    threshold: float
    ece: float | None
    ece_vehicles: float | None
    ece_balanced: float | None
    labels: Mapping[str, OfVehicles]
    confusion: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold would do: a point of the curve."""

    threshold: float
    coverage: float | None
    accuracy_covered: float | None
    neither_passed: float | None


@dataclass(frozen=True)
class Bin:
    """Pictures about as sure as each other: their mean confidence, and the share that is right."""

    from_: float
    to: float
    n: int
    confidence: float | None
    right: float | None


def figures(answers: npt.NDArray[np.floating], classes: Classes, threshold: float) -> Figures:
    """All figures of answers [n, labels] at a threshold."""
    judged = judge(answers, classes)
    vehicle, right = judged.vehicle, judged.right
    return Figures(
        shares=shares(judged, threshold),
        threshold=threshold,
        ece=calibration_error(judged.confidence, right, np.ones(len(right))),
        ece_vehicles=calibration_error(judged.confidence[vehicle], right[vehicle], np.ones(int(vehicle.sum()))),
        ece_balanced=_balanced_error(judged),
        labels={label: _of(judged.part(judged.truth == number), threshold) for number, label in enumerate(LABELS)},
        confusion=confusion(judged, threshold),
    )


def shares(judged: Judged, threshold: float, least: int = 1) -> Shares:
    """The four shares, each of at least so many pictures."""
    others = judged.part(~judged.vehicle).passed(threshold)
    return Shares(_of(judged.part(judged.vehicle), threshold, least), len(others), _share(others, least))


def confusion(judged: Judged, threshold: float) -> dict[str, dict[str, int]]:
    """How many pictures of each truth got each verdict: {verdict: {truth: count}}."""
    verdict = np.where(judged.passed(threshold) & (judged.answered >= 0), judged.answered, len(LABELS))
    table = np.zeros((len(VERDICTS), len(TRUTHS)), dtype=np.int64)
    np.add.at(table, (verdict, judged.truth), 1)
    return {name: dict(zip(TRUTHS, row, strict=True)) for name, row in zip(VERDICTS, table.tolist(), strict=True)}


def curve(answers: npt.NDArray[np.floating], classes: Classes) -> list[AtThreshold]:
    """Coverage, accuracy of what is covered, and the share of neither that passes, at every threshold from 0 to 1."""
    judged = judge(answers, classes)
    vehicle, right = judged.vehicle, judged.right
    points = []
    for threshold in CURVE_THRESHOLDS:
        passed = judged.passed(threshold)
        shares_there = _ratio(passed[vehicle]), _ratio(right[vehicle & passed]), _ratio(passed[~vehicle])
        points.append(AtThreshold(threshold, *shares_there))
    return points


def reliability(answers: npt.NDArray[np.floating], classes: Classes) -> list[Bin]:
    """Mean confidence and share of right answers in each bin of equal width, over all pictures."""
    judged = judge(answers, classes)
    number = _bins(judged.confidence)
    return [
        Bin(
            from_=index / CALIBRATION_BINS,
            to=(index + 1) / CALIBRATION_BINS,
            n=int((number == index).sum()),
            confidence=_ratio(judged.confidence[number == index]),
            right=_ratio(judged.right[number == index]),
        )
        for index in range(CALIBRATION_BINS)
    ]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for hits of n; all of 0..1 where nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    share, scale = hits / n, 1 + Z * Z / n
    middle, half = share + Z * Z / (2 * n), Z * math.sqrt(share * (1 - share) / n + (Z / (2 * n)) ** 2)
    # Where all or none hit, rounding would leave the share itself outside.
    return max(0.0, min(share, (middle - half) / scale)), min(1.0, max(share, (middle + half) / scale))


def calibration_error(confidence: Numbers, right: Flags, weights: Numbers) -> float | None:
    """The mean gap between confidence and truth over equal-width bins; None without pictures."""
    if not len(confidence):
        return None
    gaps = np.bincount(_bins(confidence), weights * (confidence - right), CALIBRATION_BINS)
    return round(float(np.abs(gaps).sum() / weights.sum()), 4)


def _bins(confidence: Numbers) -> Classes:
    bins: Classes = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return bins


def _balanced_error(judged: Judged) -> float | None:
    vehicle = judged.vehicle
    if vehicle.all() or not vehicle.any():
        return None
    weights = np.where(vehicle, 1 / vehicle.sum(), 1 / (~vehicle).sum())
    return calibration_error(judged.confidence, judged.right, weights)


def _of(vehicles: Judged, threshold: float, least: int = 1) -> OfVehicles:
    passed, right = vehicles.passed(threshold), vehicles.right
    accuracy, coverage, covered = (_share(hits, least) for hits in (right, passed, right[passed]))
    return OfVehicles(len(right), accuracy, coverage, covered, int(passed.sum()))


def _share(hits: Flags, least: int) -> CountedShare:
    """The share with its count and the edges of its interval; None of fewer than `least`."""
    count, n = int(hits.sum()), len(hits)
    if n < least:
        return CountedShare(None, None, None, count)
    low, high = wilson(count, n)
    return CountedShare(_ratio(hits), _rounded(low), _rounded(high), count)


def _ratio(values: Flags | Numbers) -> float | None:
    return _rounded(float(values.mean())) if len(values) else None


def _rounded(value: float) -> float:
    # More digits than are ever shown: rounded twice, 85.448 % would read 85.5 %.
    return round(value, 6)
