"""The threshold that costs least."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import EvaluationRefusedError
from training.evaluation.costs import Costs, cheapest_threshold, cost_at, cross_fitted
from training.evaluation.plain import plain
from training.evaluation.scores import judge


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
    json.dumps(plain(found), allow_nan=False)


def noisy(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Answers that are right as often as they say, to vehicles and a third as many others."""
    draw = np.random.default_rng(seed)
    confidence = draw.uniform(0.5, 1, n)
    classes = np.where(np.arange(n) % 4 == 3, 2, (draw.random(n) >= confidence).astype(np.int64))
    confidence = np.where(classes == 2, confidence - 0.4, confidence)
    return np.stack([confidence, (1 - confidence) / 2], axis=1), classes


def test_pictures_flatter_the_threshold_that_they_chose() -> None:
    """Of thirty sets, hardly any costs less on the other half than where the threshold was chosen."""
    costs = Costs(10, 1)

    flattering, honest = [], []
    for seed in range(30):
        answers, classes = noisy(seed)
        crossed = cross_fitted(answers, classes, costs, ())
        assert crossed is not None
        flattering.append(cheapest_threshold(answers, classes, costs).cost)
        honest.append(crossed.counted.cost)

    assert np.mean(honest) > np.mean(flattering)
    assert sum(other > same for other, same in zip(honest, flattering, strict=True)) >= 25


def test_the_other_half_chooses() -> None:
    """Every other picture of each truth is judged by the threshold of the rest, counted by hand."""
    answers, classes = noisy(1)
    costs = Costs(10, 1)
    first = np.zeros(len(classes), dtype=bool)
    for truth in (0, 1, 2):
        first[np.flatnonzero(classes == truth)[::2]] = True

    crossed = cross_fitted(answers, classes, costs, ())

    assert crossed is not None
    chosen = tuple(cheapest_threshold(answers[half], classes[half], costs).threshold for half in (~first, first))
    assert (crossed.thresholds, crossed.halves) == (chosen, "of every other picture")
    each = np.where(
        answers.max(axis=1) >= np.where(first, *chosen), np.where(answers.argmax(axis=1) == classes, 0, 10), 1
    )
    by_hand = 500 * each[classes < 2].mean() + 500 * each[classes == 2].mean()
    assert crossed.counted.cost == pytest.approx(by_hand, abs=1e-3)
    assert crossed.counted.cost_low <= crossed.counted.cost <= crossed.counted.cost_high


def test_no_source_is_in_both_halves() -> None:
    """Where every answer of one source is wrong and sure, the half that chose without it pays for it."""
    answers = np.concatenate([said(*[0.9] * 60), said(*[0.95] * 20)])
    classes = np.array([0] * 30 + [1] * 30 + [1] * 10 + [0] * 10)
    answers[30:60] = answers[30:60, ::-1]
    answers[70:] = answers[70:, ::-1]
    sources = ["good", "fine"] * 30 + ["odd"] * 20

    mixed, whole = (cross_fitted(answers, classes, Costs(10, 1), named) for named in ((), sources))

    assert mixed is not None
    assert whole is not None
    assert (mixed.halves, whole.halves) == ("of every other picture", "of whole sources")
    assert whole.counted.cost > mixed.counted.cost


@pytest.mark.parametrize("named", [["a"] * 120, ["a", ""] * 60, []], ids=["one source", "some unknown", "none"])
def test_without_several_sources_pictures_are_halved(named: list[str]) -> None:
    """One source, or pictures of which nobody knows theirs, cannot be kept apart."""
    answers, classes = noisy(2)

    crossed = cross_fitted(answers, classes, Costs(10, 1), named)

    assert crossed is not None
    assert crossed.halves == "of every other picture"


@pytest.mark.parametrize("classes", [[0, 1], [0, 0, 1, 1, 2]], ids=["two pictures", "one of neither"])
def test_too_few_pictures_are_not_halved(classes: list[int]) -> None:
    """Each half needs a picture of everything that there is."""
    assert cross_fitted(said(*[0.9] * len(classes)), np.array(classes), Costs(10, 1), ()) is None


def test_a_threshold_that_others_chose_is_counted_as_it_is() -> None:
    """The figure for the threshold in use is that of the pictures at it."""
    answers, classes = noisy(3)

    counted = cost_at(judge(answers, classes), 0.8, Costs(7, 2, vehicle_share=0.3))

    assert counted.cost == pytest.approx(cost_by_hand(answers, classes, Costs(7, 2, 0.3), 0.8), abs=1e-3)
    assert counted.cost_low < counted.cost < counted.cost_high
