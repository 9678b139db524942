"""The arithmetic of the figures that are published."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from training.evaluation.plain import plain
from training.evaluation.scores import VERDICTS, calibration_error, curve, figures, judge, reliability, wilson
from vehiclevision.answer import Answer
from vehiclevision.decision import decide
from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET
from vehiclevision.labels import TRUTHS

ANSWERS = np.array([[0.9, 0.05], [0.3, 0.6], [0.1, 0.8], [0.75, 0.2], [0.7, 0.1], [0.01, 0.02]])
CLASSES = np.array([0, 0, 1, 1, 2, 5])


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Any answers that can be probabilities, in the precision of the network, and any classes."""
    n = draw(st.integers(0, 40))
    unit = st.floats(0, 1, width=32)
    first, share = (draw(arrays.arrays(np.float32, n, elements=unit)) for _ in range(2))
    answers = np.stack([first, (1 - first) * share], axis=1)
    return answers, draw(arrays.arrays(np.int64, n, elements=st.integers(0, 4)))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (95, 100, 0.8882, 0.9785), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval(hits: int, n: int, low: float, high: float) -> None:
    """The interval agrees with published values, at the edges as well."""
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_every_share_lies_in_its_interval(counted: tuple[int, int]) -> None:
    """The interval holds the share and lies in 0..1."""
    hits, n = counted

    low, high = wilson(hits, n)

    assert 0 <= low <= high <= 1
    assert n == 0 or low <= hits / n <= high


def test_shares_count_what_their_names_say() -> None:
    """Accuracy asks all vehicles, coverage the sure ones, and pictures with neither only whether they passed."""
    told = plain(figures(ANSWERS, CLASSES, 0.7))

    assert (told["n"], told["accuracy"], told["accuracy_count"]) == (4, 0.5, 2)
    assert (told["coverage"], told["coverage_count"]) == (0.75, 3)
    assert (told["covered_n"], told["accuracy_covered"]) == (3, pytest.approx(2 / 3, abs=1e-4))
    assert (told["neither_n"], told["neither_passed"], told["neither_passed_count"]) == (2, 0.5, 1)
    assert (told["accuracy_low"], told["accuracy_high"]) == pytest.approx(wilson(2, 4), abs=1e-4)
    assert told["labels"]["bicycle"]["accuracy"] == 0.5
    assert told["labels"]["motorcycle"]["covered_n"] == 2


def test_the_confusion_matrix_is_what_would_have_happened() -> None:
    """Each picture stands once, under what it shows, in the row of where it would have gone."""
    assert plain(figures(ANSWERS, CLASSES, 0.7))["confusion"] == {
        "bicycle": {"bicycle": 1, "motorcycle": 1, "neither": 1},
        "motorcycle": {"bicycle": 0, "motorcycle": 1, "neither": 0},
        "review": {"bicycle": 1, "motorcycle": 0, "neither": 1},
    }


def test_calibration_error_by_hand() -> None:
    """One bin each at 0.9 (right) and 0.6 (wrong), and one of neither at 0.8, which is never right."""
    answers = np.array([[0.9, 0.05], [0.6, 0.3], [0.8, 0.1]])

    told = plain(figures(answers, np.array([0, 1, 2]), 0.7))

    assert told["ece"] == pytest.approx((0.1 + 0.6 + 0.8) / 3, abs=1e-4)
    assert told["ece_vehicles"] == pytest.approx((0.1 + 0.6) / 2, abs=1e-4)
    assert told["ece_balanced"] == pytest.approx((0.1 + 0.6) / 4 + 0.8 / 2, abs=1e-4)


def test_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    """Nine right of ten at 0.9 is no error; five right of ten at 0.9 is one of 0.4."""
    confidence, even = np.full(10, 0.9), np.ones(10)

    honest = calibration_error(confidence, np.arange(10) < 9, even)
    boasting = calibration_error(confidence, np.arange(10) < 5, even)

    assert honest == pytest.approx(0.0, abs=1e-6)
    assert boasting == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("classes", [[], [0], [1, 1], [2, 3]], ids=["nothing", "a bicycle", "motorcycles", "neither"])
def test_a_kind_without_pictures_has_no_figure(classes: list[int]) -> None:
    """Where nothing was counted the figure is null, never NaN and never an error."""
    answers = np.full((len(classes), 2), 0.4)

    told = plain(figures(answers, np.array(classes, dtype=np.int64), 0.7))

    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["accuracy"] is None) == (not any(number < 2 for number in classes))
    assert (told["neither_passed"] is None) == (not any(number >= 2 for number in classes))
    assert told["accuracy_covered"] is None
    assert told["labels"]["bicycle"]["accuracy"] is None or 0 in classes


def test_a_tie_is_no_label() -> None:
    """Two equal probabilities say nothing, so neither label is right."""
    assert plain(figures(np.array([[0.0, 0.0], [0.5, 0.5]]), np.array([0, 1]), 0.5))["accuracy"] == 0


@given(labelled(), st.floats(0.5, 1, exclude_min=True))
@settings(max_examples=60, deadline=None)
def test_answers_pass_here_as_they_do_in_the_product(
    given_answers: tuple[np.ndarray, np.ndarray], threshold: float
) -> None:
    """Verdict and label are those of the workflow's own decision, to the last bit of a float32."""
    answers, classes = given_answers
    judged = judge(answers, classes)

    for index, (bicycle, motorcycle) in enumerate(answers.tolist()):
        try:
            label = TRUTHS.index(decide(Answer((bicycle, motorcycle)), threshold).label)
        except THRESHOLD_CONFIDENCE_NOT_MET:
            label = None
        assert judged.passed(threshold)[index] == (label is not None)
        assert label is None or judged.answered[index] == label


@given(labelled(), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_figures_agree_with_each_other(given_answers: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    """Whatever the answers: counts add up, shares lie in their intervals, and JSON takes it all."""
    answers, classes = given_answers

    told = plain(figures(answers, classes, threshold))

    json.dumps(told, allow_nan=False)
    assert told["n"] + told["neither_n"] == len(classes)
    assert told["covered_n"] == told["coverage_count"]
    assert sum(told["confusion"][verdict][truth] for verdict in VERDICTS for truth in TRUTHS) == len(classes)
    assert sum(own["accuracy_count"] for own in told["labels"].values()) == told["accuracy_count"]
    for name in ("accuracy", "coverage", "accuracy_covered", "neither_passed"):
        assert told[name] is None or told[f"{name}_low"] <= told[name] <= told[f"{name}_high"]
    assert told["ece"] is None or 0 <= told["ece"] <= 1


@given(labelled())
@settings(max_examples=40, deadline=None)
def test_a_higher_threshold_never_lets_more_through(given_answers: tuple[np.ndarray, np.ndarray]) -> None:
    """Coverage and false passes fall along the curve, which holds the figures of each of its thresholds."""
    answers, classes = given_answers

    points = curve(answers, classes)

    for shares in ([point.coverage for point in points], [point.neither_passed for point in points]):
        values = [share for share in shares if share is not None]
        assert values == sorted(values, reverse=True)
    middle = points[len(points) // 2]
    told = plain(figures(answers, classes, middle.threshold))
    assert {name: told[name] for name in vars(middle)} == vars(middle)


@given(labelled())
@settings(max_examples=40, deadline=None)
def test_the_reliability_bins_hold_every_picture_once(given_answers: tuple[np.ndarray, np.ndarray]) -> None:
    """The bins' gaps, weighed by their pictures, are the calibration error."""
    answers, classes = given_answers

    bins = reliability(answers, classes)

    assert sum(each.n for each in bins) == len(classes)
    ece = figures(answers, classes, 0.7).ece
    if ece is not None:
        gaps = [each.n * abs((each.confidence or 0) - (each.right or 0)) for each in bins if each.n]
        assert math.fsum(gaps) / len(classes) == pytest.approx(ece, abs=3e-4)
