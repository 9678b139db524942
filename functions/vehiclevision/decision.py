"""From the model's answer to the rider's route, or to a person; a second opinion may make a doubtful answer good."""

from dataclasses import dataclass
from typing import Final

from vehiclevision.answer import Answer
from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET
from vehiclevision.labels import ROUTES

# Below, something else than our surest label is more likely, and no other opinion makes up for that:
# docs/decisions/0021-a-second-opinion.md has the arithmetic.
LEAST_CONFIDENCE: Final = 0.5
# How sure the other must call itself; its number is no probability.
LEAST_OF_THE_OTHER: Final = 0.8


@dataclass(frozen=True)
class Opinion:
    """What somebody else says that the photo shows, a label or neither, and how sure that one is."""

    by: str
    label: str
    confidence: float


@dataclass(frozen=True)
class Decision:
    """What the photo shows, how sure that is, and where the rider goes."""

    label: str
    confidence: float
    route: str


def worth_asking(answer: Answer, threshold: float) -> bool:
    """Whether a second opinion could decide: the answer is not sure enough, and yet more likely than all else."""
    return LEAST_CONFIDENCE < answer.confidence < threshold


def decide(answer: Answer, threshold: float, opinion: Opinion | None = None) -> Decision:
    """The surest label, if its confidence reaches the threshold, or if a second opinion agrees; else a person decides.

    For that, THRESHOLD_CONFIDENCE_NOT_MET is raised.
    """
    label, confidence = answer.label, answer.confidence
    if confidence < threshold and not (opinion and worth_asking(answer, threshold) and _agrees(opinion, label)):
        raise THRESHOLD_CONFIDENCE_NOT_MET(f"{label} at {confidence:.4f} is below {threshold}: a person decides")
    return Decision(label=label, confidence=confidence, route=ROUTES[label])


def _agrees(opinion: Opinion, label: str) -> bool:
    return opinion.label == label and opinion.confidence >= LEAST_OF_THE_OTHER
