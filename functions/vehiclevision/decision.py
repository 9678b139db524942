"""From two confidences to the rider's route, or to a person."""

import math
from dataclasses import dataclass
from typing import Any, Final

from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET, InvalidPredictionError
from vehiclevision.labels import LABELS, ROUTES

SUM_TOLERANCE: Final = 1e-3  # float32 softmax, printed with few digits


@dataclass(frozen=True)
class Decision:
    """What the photo shows, how sure that is, and where the rider goes."""

    label: str
    confidence: float
    route: str


def decide(inferences: tuple[float, float], threshold: float) -> Decision:
    """The surer label, if its confidence reaches the threshold; else THRESHOLD_CONFIDENCE_NOT_MET."""
    confidence, label = max(zip(inferences, LABELS, strict=True))
    if confidence < threshold:
        raise THRESHOLD_CONFIDENCE_NOT_MET(f"{label} at {confidence:.4f} is below {threshold}: a person decides")
    return Decision(label=label, confidence=confidence, route=ROUTES[label])


def check(values: list[Any]) -> tuple[float, float]:
    """Two finite probabilities that together are at most 1, or InvalidPredictionError."""
    if len(values) != len(LABELS):
        raise InvalidPredictionError(f"the endpoint gave {len(values)} values instead of {len(LABELS)}: not our model?")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidPredictionError("the endpoint gave something that is no number")
        if not 0 <= value <= 1:
            raise InvalidPredictionError("the endpoint gave a number that is no probability")
    bicycle, motorcycle = float(values[0]), float(values[1])
    if bicycle + motorcycle > 1 + SUM_TOLERANCE:
        raise InvalidPredictionError("the endpoint's probabilities add up to more than 1")
    return bicycle, motorcycle
