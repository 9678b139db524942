"""The threshold that costs least."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import EvaluationRefusedError
from training.evaluation.costs import Costs, cheapest_threshold


def said(*confidences: float) -> np.ndarray:
    """Answers that call everything a bicycle, that sure."""
    return np.array([[confidence, 0.0] for confidence in confidences])


def cost_by_hand(answers: np.ndarray, classes: np.ndarray, costs: Costs, threshold: float) -> float:
    """The cost of 1,000 uploads, counted picture by picture."""
    share = costs.vehicle_share if (classes >= 2).any() else 1.0
    total = 0.0
    for kind, weight in ((classes < 2, share), (classes >= 2, 1 - share)):
        each = [
            (0 if answer.argmax() == number else costs.wrong_route) if answer.max() >= threshold else costs.review
            for answer, number in zip(answers[kind], classes[kind], strict=True)
        ]
        total += weight * float(np.mean(each)) if each else 0.0
    return 1000 * total


def test_the_threshold_lies_between_the_wrong_and_the_right() -> None:
    """All wrong answers at 0.6 and all right ones at 0.9: the middle of the gap, for nothing but the reviews."""
    answers = said(*[0.9] * 30, *[0.6] * 10)
    classes = np.array([0] * 30 + [1] * 10)

    found = cheapest_threshold(answers, classes, Costs(wrong_route=10, review=1))

    assert found.threshold == pytest.approx(0.75, abs=0.002)
    assert found.cost == pytest.approx(1000 * 10 / 40)
    assert found.cost_all_reviewed == 1000


def test_reviews_that_cost_nothing_are_always_made() -> None:
    """When a person is free and mistakes are not, nothing wrong is let through."""
    answers, classes = said(0.99, 0.95, 0.9), np.array([0, 1, 0])

    found = cheapest_threshold(answers, classes, Costs(wrong_route=1, review=0))

    assert found.threshold > 0.95
    assert found.cost == 0


def test_mistakes_that_cost_nothing_are_always_risked() -> None:
    """When mistakes are free, nothing is worth a review that would pass at the lowest threshold."""
    answers, classes = said(0.99, 0.6, 0.9, 0.7), np.array([0, 1, 0, 2])

    found = cheapest_threshold(answers, classes, Costs(wrong_route=0, review=1))

    assert found.threshold <= 0.6
    assert found.cost == 0


def test_a_dearer_mistake_raises_the_threshold() -> None:
    """With honest confidences the threshold follows the costs, near 1 - review / mistake."""
    draw = np.random.default_rng(4)
    confidence = draw.uniform(0.5, 1, 20_000)
    classes = (draw.random(20_000) >= confidence).astype(np.int64)
    answers = np.stack([confidence, 1 - confidence], axis=1)

    found = [cheapest_threshold(answers, classes, Costs(wrong, 1)).threshold for wrong in (3, 5, 10, 20)]

    assert found == pytest.approx([1 - 1 / 3, 1 - 1 / 5, 1 - 1 / 10, 1 - 1 / 20], abs=0.03)


def test_pictures_with_neither_count_as_wrong_routes() -> None:
    """Where all uploads show something else, what passes of them decides; how many there are of each kind does not."""
    answers, classes = said(*[0.7] * 4, *[0.8] * 2), np.array([0] * 4 + [2] * 2)

    rare = cheapest_threshold(answers, classes, Costs(10, 1, vehicle_share=0.99))
    usual = cheapest_threshold(answers, classes, Costs(10, 1, vehicle_share=0.05))

    assert rare.threshold <= 0.7
    assert usual.threshold > 0.8
    assert rare.cost == pytest.approx(1000 * 0.01 * 10)


def test_a_single_picture_gives_a_threshold_and_admits_how_little_that_is() -> None:
    """One right answer at 0.9: any threshold up to there is as good, and the middle of those is taken."""
    found = cheapest_threshold(said(0.9), np.array([0]), Costs(10, 1))

    assert found.threshold == pytest.approx(0.7, abs=0.002)
    assert (found.n, found.neither_n, found.vehicle_share) == (1, 0, 1.0)


def test_without_vehicles_there_is_no_threshold() -> None:
    """Nothing can be said about routes when nothing has one."""
    with pytest.raises(EvaluationRefusedError, match="Without pictures of vehicles"):
        cheapest_threshold(said(0.9), np.array([2]), Costs(10, 1))


@pytest.mark.parametrize(
    ("wrong", "review", "share"),
    [
        (-1, 1, 0.5),
        (1, -1, 0.5),
        (float("nan"), 1, 0.5),
        (float("inf"), 1, 0.5),
        (0, 0, 0.5),
        (1, 1, 1.5),
        (1, 1, -0.1),
    ],
)
def test_what_is_no_cost_is_refused(wrong: float, review: float, share: float) -> None:
    """Negative, infinite and missing numbers are refused with a hint."""
    with pytest.raises(EvaluationRefusedError) as caught:
        Costs(wrong, review, share)

    assert caught.value.hint


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=40),
    st.floats(0.1, 50),
    st.floats(0.1, 5),
)
@settings(max_examples=25, deadline=None)
def test_the_threshold_is_as_cheap_as_any(pictures: list[tuple[int, float, bool]], wrong: float, review: float) -> None:
    """Within the product's range, the same every time, counted right, and at most 1 % above the very cheapest."""
    classes = np.array([0, *(number for number, *_ in pictures)])
    answers = np.array([[0.9, 0], *([sure, 0] if first else [0, sure] for _, sure, first in pictures)])
    costs = Costs(wrong, review)

    found = cheapest_threshold(answers, classes, costs)

    assert found == cheapest_threshold(answers, classes, costs)
    assert 0.5 < found.threshold <= 1
    assert found.threshold_low <= found.threshold <= found.threshold_high
    assert found.cost == pytest.approx(cost_by_hand(answers, classes, costs, found.threshold), abs=1e-3)
    least = min(cost_by_hand(answers, classes, costs, step / 1000) for step in range(501, 1001, 7))
    assert found.cost <= 1.01 * least + 1e-3
    json.dumps(found.as_json(), allow_nan=False)
