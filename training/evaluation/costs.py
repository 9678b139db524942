"""The threshold that costs least, given what a wrong route and what a manual review cost.

A lower threshold sends fewer pictures to a person and more riders the wrong way; what is best follows from the two
costs, from how many uploads show a vehicle at all, and from the model's answers to pictures that it never saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from training.data.pictures import Classes
from training.errors import EvaluationRefusedError
from training.evaluation.plain import BESIDE
from training.evaluation.scores import Flags, Judged, Numbers, judge
from vehiclevision.labels import LABELS

# Half of the uploads show a vehicle: what confidences are calibrated for, and what a threshold's cost is counted with.
VEHICLE_SHARE: Final = 0.5
UPLOADS: Final = 1000
# The product takes thresholds above one half and up to 1: below, two labels could pass.
STEPS_PER_ONE: Final = 1000
LOWEST: Final = 501
RESAMPLINGS: Final = 501
SEED: Final = 20_261_121
# Thresholds that cost at most so much more than the cheapest are as good: the figures cannot tell them apart.
AS_GOOD: Final = 1.01
_CURVE_EVERY: Final = 5

Table: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """What one mistake and one question to a person cost, in whatever unit."""

    wrong_route: float
    review: float
    vehicle_share: float = VEHICLE_SHARE

    def __post_init__(self) -> None:
        """Refuse what is no cost."""
        for name, value in (("a wrong route", self.wrong_route), ("a review", self.review)):
            if not (np.isfinite(value) and value >= 0):
                raise EvaluationRefusedError(f"The cost of {name} is {value}.", "Give a number that is not below 0.")
        if self.wrong_route == self.review == 0:
            raise EvaluationRefusedError("Both costs are 0, so every threshold is the cheapest.", "Give real costs.")
        if not 0 <= self.vehicle_share <= 1:
            raise EvaluationRefusedError(
                f"The share of uploads that show a vehicle is {self.vehicle_share}.", "Give a number from 0 to 1."
            )


@dataclass(frozen=True)
class CostAt:
    """What 1,000 uploads cost at a threshold: a point of the curve."""

    threshold: float
    cost: float


@dataclass(frozen=True)
class CheapestThreshold:
    """The threshold to use, what it costs for 1,000 uploads, and how sure both are (95 % of resamplings)."""

    costs: Costs = field(metadata=BESIDE)
    threshold: float
    threshold_low: float
    threshold_high: float
    cost: float
    cost_low: float
    cost_high: float
    cost_all_reviewed: float
    # The costs' own, but all of the uploads where no picture shows anything else.
    vehicle_share: float
    n: int
    neither_n: int
    curve: tuple[CostAt, ...]
    uploads: int = UPLOADS


def cheapest_threshold(answers: npt.NDArray[np.floating], classes: Classes, costs: Costs) -> CheapestThreshold:
    """The cheapest threshold in (0.5, 1] for answers [n, labels]; classes beyond the labels show no vehicle.

    One set of pictures puts the very cheapest point anywhere in a wide flat valley. So the pictures are drawn again
    many times over, each time the middle of the cheapest stretch is noted, and of the thresholds that are as good as
    the cheapest the one nearest to the median of those is taken: the same on every machine, and steady.
    """
    judged = judge(answers, classes)
    n, neither_n = int(judged.vehicle.sum()), int((~judged.vehicle).sum())
    if n == 0:
        raise EvaluationRefusedError(
            "Without pictures of vehicles no threshold can be called cheap.", f"Add some of each: {', '.join(LABELS)}."
        )
    share = costs.vehicle_share if neither_n else 1.0
    counts = _histogram(judged)
    seen = _costs(counts[np.newaxis], costs, share)[0]
    resampled = _costs(_resampled(counts), costs, share)
    middles = np.array([_middle_of_cheapest(row) for row in resampled])
    as_good = np.flatnonzero(seen <= seen.min() * AS_GOOD + 1e-12)
    chosen = int(as_good[np.abs(as_good - np.median(middles)).argmin()])
    low, high = np.percentile(middles, [2.5, 97.5], method="nearest")
    cost_low, cost_high = np.percentile(resampled[:, chosen], [2.5, 97.5])
    return CheapestThreshold(
        threshold=_threshold(chosen),
        threshold_low=min(_threshold(low), _threshold(chosen)),
        threshold_high=max(_threshold(high), _threshold(chosen)),
        cost=_money(seen[chosen]),
        cost_low=_money(cost_low),
        cost_high=_money(cost_high),
        cost_all_reviewed=_money(UPLOADS * costs.review),
        costs=costs,
        vehicle_share=share,
        n=n,
        neither_n=neither_n,
        curve=tuple(CostAt(_threshold(step), _money(seen[step])) for step in range(len(seen)) if _on_curve(step)),
    )


@dataclass(frozen=True)
class Counted:
    """What 1,000 uploads cost, in whatever unit, and how sure that is (95 % of resamplings)."""

    cost: float
    cost_low: float
    cost_high: float


@dataclass(frozen=True)
class CrossFitted:
    """What 1,000 uploads cost where each half of the pictures is judged by the threshold chosen on the other half."""

    counted: Counted = field(metadata=BESIDE)
    thresholds: tuple[float, float]
    halves: str


def each_cost(judged: Judged, threshold: float | Numbers, wrong_route: float, review: float) -> Numbers:
    """What the answer to each picture costs: nothing, a wrong route, or a look by a person."""
    costs: Numbers = np.where(judged.passed(threshold), np.where(judged.right, 0.0, wrong_route), review)
    return costs


def cost_at(judged: Judged, threshold: float | Numbers, costs: Costs) -> Counted:
    """What 1,000 uploads cost at a threshold, or at one for each picture, that these pictures did not choose."""
    each = each_cost(judged, threshold, costs.wrong_route, costs.review)
    share = costs.vehicle_share if not judged.vehicle.all() else 1.0
    draw = np.random.default_rng(SEED)
    cost, resampled = 0.0, np.zeros(RESAMPLINGS)
    for stratum, weight in ((judged.vehicle, share), (~judged.vehicle, 1 - share)):
        if stratum.any():
            values, counts = np.unique(each[stratum], return_counts=True)
            n = int(counts.sum())
            cost += UPLOADS * weight * float(values @ counts) / n
            resampled += UPLOADS * weight * (draw.multinomial(n, counts / n, size=RESAMPLINGS) @ values) / n
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Counted(_money(cost), _money(low), _money(high))


def cross_fitted(
    answers: npt.NDArray[np.floating], classes: Classes, costs: Costs, sources: Sequence[str]
) -> CrossFitted | None:
    """The cost of letting pictures choose the threshold that others are judged by; None of too few pictures.

    Pictures of one source look alike, so where sources are known no source is in both halves.
    """
    judged = judge(answers, classes)
    halves, first = "of whole sources", _half_of_the_sources(judged, sources)
    if first is None:
        halves, first = "of every other picture", _every_other(judged)
    if any(len(np.unique(judged.truth[half])) < len(np.unique(judged.truth)) for half in (first, ~first)):
        return None
    chosen = [cheapest_threshold(answers[half], classes[half], costs).threshold for half in (~first, first)]
    counted = cost_at(judged, np.where(first, *chosen), costs)
    return CrossFitted(counted, (chosen[0], chosen[1]), halves)


def _every_other(judged: Judged) -> Flags:
    """Half of the pictures of each truth."""
    first = np.zeros(len(judged.truth), dtype=bool)
    for truth in np.unique(judged.truth):
        first[np.flatnonzero(judged.truth == truth)[::2]] = True
    return first


def _half_of_the_sources(judged: Judged, sources: Sequence[str]) -> Flags | None:
    """About half of the pictures of each truth, with all that come from the same sources; None where that fails."""
    if not sources or "" in sources:
        return None
    names, numbers = np.unique(np.array(sources, dtype=object).astype(str), return_inverse=True)
    truths = np.unique(judged.truth)
    counts = np.stack([np.bincount(numbers[judged.truth == truth], minlength=len(names)) for truth in truths])
    shares = counts / counts.sum(axis=1, keepdims=True)
    balance = np.zeros(len(truths))
    first = np.zeros(len(names), dtype=bool)
    # The largest first, each to the side that it makes more even.
    for number in np.argsort(-shares.sum(axis=0), kind="stable"):
        first[number] = np.abs(balance + shares[:, number]).sum() < np.abs(balance - shares[:, number]).sum()
        balance += shares[:, number] if first[number] else -shares[:, number]
    half: Flags = first[numbers]
    has_all = all(len(np.unique(judged.truth[side])) == len(truths) for side in (half, ~half))
    return half if has_all else None


def _on_curve(step: int) -> bool:
    return (step + LOWEST) % _CURVE_EVERY == 0 or step == 0


def _threshold(step: float) -> float:
    return round((LOWEST + int(step)) / STEPS_PER_ONE, 3)


def _money(value: float) -> float:
    return round(float(value), 4)


def _histogram(judged: Judged) -> npt.NDArray[np.int64]:
    """How many right, wrong and neither pictures pass exactly the first so many thresholds: [3, thresholds + 1]."""
    thresholds = np.arange(LOWEST, STEPS_PER_ONE + 1) / STEPS_PER_ONE
    passes = np.searchsorted(thresholds, judged.confidence, side="right")
    kind = np.where(judged.vehicle, np.where(judged.right, 0, 1), 2)
    counts = np.zeros((3, len(thresholds) + 1), dtype=np.int64)
    np.add.at(counts, (kind, passes), 1)
    return counts


def _resampled(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The pictures drawn again with replacement, vehicles and neither each as many as there were."""
    draw = np.random.default_rng(SEED)
    redrawn = np.zeros((RESAMPLINGS, *counts.shape), dtype=np.int64)
    for rows in (slice(0, 2), slice(2, 3)):
        stratum = counts[rows]
        if total := int(stratum.sum()):
            # Most cells are empty, and stay so.
            filled = np.flatnonzero(stratum)
            drawn = np.zeros((RESAMPLINGS, stratum.size), dtype=np.int64)
            drawn[:, filled] = draw.multinomial(total, stratum.ravel()[filled] / total, size=RESAMPLINGS)
            redrawn[:, rows] = drawn.reshape(RESAMPLINGS, *stratum.shape)
    return redrawn


def _costs(counts: npt.NDArray[np.int64], costs: Costs, vehicle_share: float) -> Table:
    """What 1,000 uploads cost at each threshold: [samples, thresholds]."""
    passed = counts[..., ::-1].cumsum(axis=2)[..., ::-1][..., 1:]
    totals = counts.sum(axis=2, keepdims=True)
    vehicles, neither = totals[:, 0] + totals[:, 1], totals[:, 2]
    wrong, right, false = passed[:, 1], passed[:, 0], passed[:, 2]
    of_vehicles = costs.wrong_route * wrong + costs.review * (vehicles - right - wrong)
    of_neither = costs.wrong_route * false + costs.review * (neither - false)
    per_upload = vehicle_share * of_vehicles / np.maximum(vehicles, 1)
    per_upload = per_upload + (1 - vehicle_share) * of_neither / np.maximum(neither, 1)
    table: Table = UPLOADS * per_upload
    return table


def _middle_of_cheapest(row: npt.NDArray[np.float64]) -> int:
    """The middle of the longest stretch of thresholds that cost least; the highest of several as long."""
    cheapest = np.flatnonzero(row <= row.min() + 1e-9)
    stretches = np.split(cheapest, np.flatnonzero(np.diff(cheapest) > 1) + 1)
    longest = max(reversed(stretches), key=len)
    return int(longest[len(longest) // 2])
