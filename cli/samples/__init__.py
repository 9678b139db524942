"""The demo's sample pictures: vehicles, other things, and broken files.

They are drawings, not photos: they show the way of an image, and say nothing about the model's quality.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vehiclevision.labels import LABELS
from vehiclevision.record import Outcome

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Sample:
    """A file to drop, and what should become of it."""

    path: Path
    outcome: Outcome
    label: str | None = None

    @property
    def name(self) -> str:
        """What the file is called."""
        return self.path.name

    @property
    def content(self) -> bytes:
        """What is in it."""
        return self.path.read_bytes()


def of(labels: Sequence[str] = LABELS) -> list[Sample]:
    """Those of vehicles that have one of these labels, of other things, and broken files."""
    vehicles = [(f"vehicles/{label}", Outcome.CLASSIFIED, label) for label in labels]
    kinds = [*vehicles, ("others", Outcome.NEEDS_REVIEW, None), ("broken", Outcome.REJECTED, None)]
    return [
        Sample(path, outcome, label)
        for folder, outcome, label in kinds
        for path in sorted((FOLDER / folder).glob("[!.]*"))
    ]
