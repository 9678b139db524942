"""How good answers are: every share with its counts and Wilson's 95 % interval."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.data.pictures import Classes
from vehiclevision.labels import LABELS

Probabilities = npt.NDArray[np.float32]

CALIBRATION_BINS: Final = 10
_NORMAL_95: Final = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """`hits` of `n`, with Wilson's 95 % interval; `share` is None where n is 0."""

    hits: int
    n: int
    share: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """What the model's answers to one set of pictures are worth at one threshold.

    `accuracy`: of the vehicles, the surer label is the right one, however sure it is.
    `coverage`: of the vehicles, those answered at or above the threshold; `accuracy_covered`: the right ones of those.
    `neither_passed`: of the pictures with neither vehicle, those that were answered at or above the threshold.
    `ece_vehicles`: expected calibration error of the surer label over vehicles; `ece_balanced`: over all pictures,
    vehicles and others weighing half each, an answer to a picture with neither being wrong.
    """

    threshold: float
    accuracy: Share
    accuracy_by_label: dict[str, Share]
    coverage: Share
    accuracy_covered: Share
    neither_passed: Share
    ece_vehicles: float | None
    ece_balanced: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def score(answers: Probabilities, classes: Classes, threshold: float) -> Scores:
    """Score answers [n, 2]; classes beyond the labels show neither vehicle."""
    vehicle = classes < len(LABELS)
    confidence, right = answers.max(axis=1), answers.argmax(axis=1) == classes
    covered = confidence >= threshold
    return Scores(
        threshold=threshold,
        accuracy=_share(right[vehicle]),
        accuracy_by_label={label: _share(right[classes == number]) for number, label in enumerate(LABELS)},
        coverage=_share(covered[vehicle]),
        accuracy_covered=_share(right[vehicle & covered]),
        neither_passed=_share(covered[~vehicle]),
        ece_vehicles=calibration_error(confidence[vehicle], right[vehicle], np.ones(vehicle.sum())),
        ece_balanced=_balanced_error(confidence, right, vehicle),
    )


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for hits of n; all of 0..1 where nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, _NORMAL_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = _NORMAL_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def calibration_error(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], weights: npt.NDArray[np.floating]
) -> float | None:
    """The mean gap between confidence and truth over equal-width bins; None without pictures."""
    if not len(confidence):
        return None
    number = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(number, weights * (confidence - right), CALIBRATION_BINS)
    return round(float(np.abs(gaps).sum() / weights.sum()), 4)


def _balanced_error(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], vehicle: npt.NDArray[np.bool_]
) -> float | None:
    if vehicle.all() or not vehicle.any():
        return None
    return calibration_error(confidence, right & vehicle, np.where(vehicle, 1 / vehicle.sum(), 1 / (~vehicle).sum()))


def _share(hits: npt.NDArray[np.bool_]) -> Share:
    count, n = int(hits.sum()), len(hits)
    low, high = wilson(count, n)
    return Share(count, n, round(count / n, 4) if n else None, round(low, 4), round(high, 4))
