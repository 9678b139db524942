"""The arithmetic of the figures that are published."""

import numpy as np
import pytest

from training.evaluation.scores import calibration_error, score, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (95, 100, 0.8882, 0.9785), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval(hits: int, n: int, low: float, high: float) -> None:
    """The interval agrees with published values, at the edges as well."""
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_shares_count_what_their_names_say() -> None:
    """Accuracy asks all vehicles, coverage the sure ones, and pictures with neither only whether they passed."""
    answers = np.array([[0.9, 0.05], [0.3, 0.6], [0.1, 0.8], [0.75, 0.2], [0.7, 0.1], [0.01, 0.02]], np.float32)
    classes = np.array([0, 0, 1, 1, 2, 5])

    scores = score(answers, classes, threshold=0.7)

    assert (scores.accuracy.hits, scores.accuracy.n) == (2, 4)
    assert (scores.coverage.hits, scores.coverage.n) == (3, 4)
    assert (scores.accuracy_covered.hits, scores.accuracy_covered.n) == (2, 3)
    assert (scores.neither_passed.hits, scores.neither_passed.n) == (1, 2)
    assert scores.accuracy_by_label["bicycle"].share == 0.5


def test_nothing_measured_is_no_share() -> None:
    """Without pictures of neither kind there is no share of them, rather than a good one."""
    scores = score(np.array([[0.9, 0.1]], np.float32), np.array([0]), threshold=0.7)

    assert scores.neither_passed.share is None
    assert scores.ece_balanced is None


def test_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    """Nine right of ten at 0.9 is no error; five right of ten at 0.9 is one of 0.4."""
    confidence, even = np.full(10, 0.9), np.ones(10)

    honest = calibration_error(confidence, np.arange(10) < 9, even)
    boasting = calibration_error(confidence, np.arange(10) < 5, even)

    assert honest == pytest.approx(0.0, abs=1e-6)
    assert boasting == pytest.approx(0.4, abs=1e-6)
