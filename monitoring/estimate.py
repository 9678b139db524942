"""How many answers are right, without labels: of those that pass, and of all.

    P(right) = P(it is a vehicle at all) × P(the surest label is right, if it is one)

The first factor is the model's own, moved to the share of vehicles in this traffic, which the answers themselves tell
(Saerens, Latinne and Decaestecker, 2002). The second was fitted, when the baseline was made, to held-out pictures with
known labels and to worse copies of them: dark, hazy, blurred and so on. It looks at the answer and at light and colour.

That can be believed of pictures like those, and of changes like those that were tried. `holds` says whether this is
such a case, and `why`, if it is not.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from monitoring.drift.baseline import Baseline
from monitoring.drift.calibrated import ALL, MEASURED, PASSED, PLAIN, Calibration
from monitoring.drift.decision import Decision, distinct
from monitoring.measure import Numbers
from monitoring.summary import Sample
from vehiclevision.labels import LABELS

MIN_ANSWERS: Final = 30
# An estimate that is further off than this is not to be relied on.
BELIEVABLE_ERROR: Final = 0.03
# In spreads: how far the middle of any measurement may lie from a case that was tried.
ALIKE: Final = 0.3
# Beyond so many spreads, what else is different about the pictures can no longer be seen in them. Answers that pass
# are little touched by it; the share of vehicles among all is.
FAR: Final = 1.5
_EDGE: Final = 1e-4
_NORMAL_95: Final = 1.959963984540054
_ROUNDS: Final = 1000


@dataclass(frozen=True)
class Estimate:
    """A share of right answers with its 95 % interval; with `holds` false it may be far off, and `why` says so."""

    accuracy: float
    low: float
    high: float
    n: int
    holds: bool
    why: str


class Estimates(NamedTuple):
    """Of the answers that pass the threshold, and of all; None where there is none to speak of."""

    passed: Estimate | None
    everything: Estimate | None


def estimate(baseline: Baseline, sample: Sample, decision: Decision | None = None) -> Estimates:
    """The share of right answers among those that pass the baseline's threshold, and among all."""
    kept = distinct(sample)
    answered = np.isfinite(sum_of(kept))
    rows = {name: values[answered] for name, values in kept.items()}
    if not len(rows[LABELS[0]]):
        return Estimates(None, None)
    calibration = baseline.calibration
    if calibration is None:
        return _of_confidences(rows, baseline.threshold)
    seen = np.isfinite(np.stack([rows[name] for name in MEASURED])).all(axis=0)
    if not seen.any():
        return _of_confidences(rows, baseline.threshold, "there are no pictures beside the answers to see what changed")
    rows = {name: values[seen] for name, values in rows.items()}
    passed = rows_confidence(rows) >= baseline.threshold
    return Estimates(
        _estimate(calibration, rows, passed, PASSED, decision) if passed.any() else None,
        _estimate(calibration, rows, np.ones(len(passed), dtype=bool), ALL, decision),
    )


def features(rows: Mapping[str, Numbers], mean: Numbers, spread: Numbers) -> Numbers:
    """What the second factor looks at, one row an answer."""
    surer = rows_confidence(rows)
    vehicle = sum_of(rows)
    light = (np.stack([rows[name] for name in MEASURED], axis=1) - mean) / spread
    return np.column_stack([np.ones(len(surer)), _logit(surer / np.maximum(vehicle, _EDGE)), _logit(vehicle), light])


def rows_confidence(rows: Mapping[str, Numbers]) -> Numbers:
    """The surest label's confidence of each answer."""
    highest: Numbers = np.stack([rows[label] for label in LABELS]).max(axis=0)
    return highest


def sum_of(rows: Mapping[str, Numbers]) -> Numbers:
    """P(it is a vehicle at all), as the model has it."""
    total: Numbers = np.sum([rows[label] for label in LABELS], axis=0)
    return total


def moved(vehicle: Numbers, share: float, share_now: float) -> Numbers:
    """P(vehicle) of each answer where another share shows one than the model was calibrated for."""
    odds = logit(np.clip(vehicle, _EDGE, 1 - _EDGE)) + logit(share_now) - logit(share)
    chances: Numbers = expit(odds)
    return chances


def share_of_vehicles(vehicle: Numbers, share: float) -> float:
    """The share of vehicles under which the answers are most likely."""
    now = share
    for _ in range(_ROUNDS):
        before, now = now, float(np.clip(moved(vehicle, share, now).mean(), _EDGE, 1 - _EDGE))
        if abs(now - before) < 1e-7:
            break
    return now


def probabilities(calibration: Calibration, rows: Mapping[str, Numbers]) -> Numbers:
    """P(right) of each answer, the share of vehicles being that of these rows."""
    share = share_of_vehicles(sum_of(rows), calibration.vehicle_share)
    second = expit(features(rows, calibration.mean, calibration.spread) @ calibration.coefficients)
    chances: Numbers = moved(sum_of(rows), calibration.vehicle_share, share) * second
    return chances


def _estimate(
    calibration: Calibration,
    rows: Mapping[str, Numbers],
    counted: npt.NDArray[np.bool_],
    of: str,
    decision: Decision | None,
) -> Estimate:
    n, vehicle = int(counted.sum()), sum_of(rows)
    share = share_of_vehicles(vehicle, calibration.vehicle_share)
    seen = features(rows, calibration.mean, calibration.spread)[counted]
    first = moved(vehicle, calibration.vehicle_share, share)[counted]
    second = expit(seen @ calibration.coefficients)
    right = first * second
    accuracy = float(right.mean())
    # What adds to the error: chance in these n answers, in the fit, in the share of vehicles, and what the fit misses.
    slope = (seen * (first * second * (1 - second))[:, np.newaxis]).mean(axis=0)
    by_fit = float(slope @ calibration.covariance @ slope)
    nearby = min(share + 0.01, 1 - _EDGE)
    by_share = (
        (float((moved(vehicle, calibration.vehicle_share, nearby)[counted] * second).mean()) - accuracy)
        / (nearby - share)
        if nearby > share
        else 0.0
    )
    variance = (
        float((right * (1 - right)).sum()) / n**2
        + by_fit
        + by_share**2 * _variance_of_share(vehicle, calibration.vehicle_share, share)
    )
    reach = _NORMAL_95 * math.sqrt(variance + calibration.systematic[of] ** 2)
    holds, why = _judge(calibration, rows, of, decision)
    if n < MIN_ANSWERS:
        holds, why = False, f"{n} answers are too few to estimate from"
    return Estimate(accuracy, max(0.0, accuracy - reach), min(1.0, accuracy + reach), n, holds, why)


def _variance_of_share(vehicle: Numbers, share: float, now: float) -> float:
    """By Fisher's information in the answers."""
    inside = np.clip(vehicle, _EDGE, 1 - _EDGE)
    is_one, is_none = inside / share, (1 - inside) / (1 - share)
    score = (is_one - is_none) / (now * is_one + (1 - now) * is_none)
    return float(1 / max((score**2).sum(), 1.0))


def _judge(
    calibration: Calibration, rows: Mapping[str, Numbers], of: str, decision: Decision | None
) -> tuple[bool, str]:
    """Whether pictures like these were tried when the calibration was made, and came out well."""
    measured = np.stack([rows[name] for name in MEASURED], axis=1)
    middle = (measured.mean(axis=0) - calibration.mean) / calibration.spread
    chance = 2 / math.sqrt(len(measured))
    ways = {name: _way(middle, kind.shift) for name, kind in calibration.kinds.items()}
    nearest = min(ways, key=lambda name: ways[name][0])
    gap, along = ways[nearest]
    if gap > ALIKE + chance:
        because = f": {decision.words.rstrip('.')}" if decision is not None and decision.drifted else ""
        return False, f"the pictures are unlike all that the estimate was tried on{because}"
    if of == ALL and float(np.abs(middle).max()) > FAR:
        return (
            False,
            f"the pictures changed too far, like those of the trial {nearest!r}, to tell how many show a vehicle",
        )
    # Pictures as they were lie at the beginning of every way, and by chance a little along one of them.
    off = along * calibration.kinds[nearest].errors[of] + (1 - along) * calibration.kinds[PLAIN].errors[of]
    if abs(off) > BELIEVABLE_ERROR:
        points = f"{100 * abs(off):.0f} points too {'high' if off > 0 else 'low'}"
        return False, f"the pictures changed like those of the trial {nearest!r}, which makes it about {points}"
    if float(sum_of(rows).min()) > 1 - _EDGE:
        return False, "the model's answers always add up to 1, so that pictures without any vehicle go unnoticed"
    return True, ""


def _way(middle: Numbers, shift: Numbers) -> tuple[float, float]:
    """The largest distance, in spreads, from the way between unchanged and changed like this, and how far along it.

    A mixture of both kinds of pictures lies in between, and so does what an estimate is off there.
    """
    length = float(shift @ shift)
    along = float(np.clip(middle @ shift / length, 0, 1)) if length > 0 else 0.0
    return float(np.abs(middle - along * shift).max()), along


def _of_confidences(rows: Mapping[str, Numbers], threshold: float, why: str = "") -> Estimates:
    """Without a calibration: what the model says of itself."""
    surer = rows_confidence(rows)
    why = why or "the baseline has no calibration for this model: this is the mean of its own confidences"

    def plain(confidences: Numbers) -> Estimate | None:
        n = len(confidences)
        if not n:
            return None
        accuracy = float(confidences.mean())
        reach = _NORMAL_95 * math.sqrt(max(accuracy * (1 - accuracy), 0.25 / n) / n)
        return Estimate(accuracy, max(0.0, accuracy - reach), min(1.0, accuracy + reach), n, False, why)

    return Estimates(plain(surer[surer >= threshold]), plain(surer))


def _logit(values: Numbers) -> Numbers:
    odds: Numbers = logit(np.clip(values, _EDGE, 1 - _EDGE))
    return odds
