"""The demo's judgement: what counts as come out as drawn, and which exit code that gives."""

from pathlib import Path

import pytest
from rich.console import Console

from cli.commands import demo
from cli.commands.demo import _Course
from cli.drop import Ended
from cli.samples import Sample
from vehiclevision.record import Outcome

SILENT = Console(quiet=True)


def _end(outcome: Outcome | None, label: str | None = None) -> Ended:
    return Ended("uploads/a.jpg", "1", outcome, label, 0.9 if label else None, None, None, 1.0)


@pytest.mark.parametrize(
    ("outcomes", "drawn_code", "own_code"),
    [
        (["CLASSIFIED"], 0, 0),
        (["CLASSIFIED", "NEEDS_REVIEW", "REJECTED"], 0, 0),
        (["CLASSIFIED", "FAILED"], 1, 1),
        (["CLASSIFIED", None], 1, 1),
        (["NEEDS_REVIEW", "REJECTED"], 1, 0),
        ([], 1, 0),
    ],
)
def test_success_takes_every_picture_through(outcomes: list[str | None], drawn_code: int, own_code: int) -> None:
    """Every picture must come through; of our own drawings some must also be classified."""
    course = _Course(ended=[_end(Outcome(name) if name else None) for name in outcomes])

    assert demo._exit_code(course, True, SILENT) == drawn_code
    assert demo._exit_code(course, False, SILENT) == own_code


def test_a_wrong_label_is_not_as_drawn() -> None:
    """A motorcycle that is taken for a bicycle counts against the demo, however sure the model is."""
    motorcycle = Sample(Path("a.jpg"), Outcome.CLASSIFIED, "motorcycle")

    assert demo._as_drawn(_end(Outcome.CLASSIFIED, "motorcycle"), motorcycle)
    assert not demo._as_drawn(_end(Outcome.CLASSIFIED, "bicycle"), motorcycle)
    assert not demo._as_drawn(_end(Outcome.NEEDS_REVIEW), motorcycle)


def test_rows_fit_a_terminal() -> None:
    """A row of the demo's table takes at most 80 columns, however long the name."""
    row = demo._outcome_row(_end(Outcome.CLASSIFIED, "motorcycle"), {})
    long = Ended(
        "uploads/" + "x" * 300, "1", Outcome.NEEDS_REVIEW, None, 0.5, None, "THRESHOLD_CONFIDENCE_NOT_MET", 1234.5
    )

    assert len(row.plain) <= 80
    assert len(demo._outcome_row(long, {}).plain) <= 80
