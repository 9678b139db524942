"""What the model says of a picture: how sure it is of each label, out of everything it knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vehiclevision.errors import InvalidPredictionError
from vehiclevision.labels import LABELS

# DynamoDB refuses an item with a positive number below.
LEAST_RECORDED: Final = 1e-130
SUM_TOLERANCE: Final = 1e-3  # float32 softmax, printed with few digits


@dataclass(frozen=True, slots=True)
class Answer:
    """A confidence for each label, in the order of LABELS; make one with `checked`."""

    confidences: tuple[float, ...]

    def __getitem__(self, label: str) -> float:
        return self.confidences[LABELS.index(label)]

    @property
    def confidence(self) -> float:
        """That of the surest label."""
        return max(self.confidences)

    @property
    def label(self) -> str:
        """The surest label; of several that are as sure, the first."""
        return LABELS[self.confidences.index(self.confidence)]

    @property
    def is_tied(self) -> bool:
        """Whether several labels are the surest, so that the model has not decided."""
        return self.confidences.count(self.confidence) > 1

    def by_label(self) -> dict[str, float]:
        """Each label's confidence."""
        return dict(zip(LABELS, self.confidences, strict=True))


def recordable(value: float) -> float:
    """A confidence as the results table takes it; what is smaller than its smallest number is none."""
    return float(value) if value >= LEAST_RECORDED else 0.0


def checked(values: Sequence[object]) -> Answer:
    """A probability for each label, together at most 1, or InvalidPredictionError."""
    if len(values) != len(LABELS):
        raise InvalidPredictionError(
            f"the endpoint gave {len(values)} values instead of {len(LABELS)} ({', '.join(LABELS)}): not our model?"
        )
    confidences: list[float] = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidPredictionError("the endpoint gave something that is no number")
        # NaN lies nowhere, and a whole number may be too long to become a float.
        if not 0 <= value <= 1:
            raise InvalidPredictionError("the endpoint gave a number that is no probability")
        confidences.append(recordable(value))
    if sum(confidences) > 1 + SUM_TOLERANCE:
        raise InvalidPredictionError("the endpoint's probabilities add up to more than 1")
    return Answer(tuple(confidences))
