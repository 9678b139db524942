"""From the model's answer to the rider's route, or to a person."""

from dataclasses import dataclass

from vehiclevision.answer import Answer
from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET
from vehiclevision.labels import ROUTES


@dataclass(frozen=True)
class Decision:
    """What the photo shows, how sure that is, and where the rider goes."""

    label: str
    confidence: float
    route: str


def decide(answer: Answer, threshold: float) -> Decision:
    """The surest label, if its confidence reaches the threshold; else THRESHOLD_CONFIDENCE_NOT_MET."""
    label, confidence = answer.label, answer.confidence
    if confidence < threshold:
        raise THRESHOLD_CONFIDENCE_NOT_MET(f"{label} at {confidence:.4f} is below {threshold}: a person decides")
    return Decision(label=label, confidence=confidence, route=ROUTES[label])
