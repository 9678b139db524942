"""The model's answer: a probability for each label, checked before anybody believes it."""

import math
from typing import Any

import pytest

from vehiclevision.answer import Answer, checked
from vehiclevision.errors import InvalidPredictionError


def test_an_answer_says_which_label_is_surest() -> None:
    """By label, in the order of the file."""
    answer = checked([0.2, 0.7])

    assert (answer.label, answer.confidence, answer.is_tied) == ("motorcycle", 0.7, False)
    assert answer["bicycle"] == 0.2
    assert answer.by_label() == {"bicycle": 0.2, "motorcycle": 0.7}


def test_a_tie_is_said() -> None:
    """Of two that are as sure neither is the model's word."""
    assert checked([0.4, 0.4]).is_tied


def test_whole_numbers_are_probabilities() -> None:
    """JSON writes 0 and 1 without a point."""
    assert checked([0, 1]) == Answer((0.0, 1.0))


def test_what_is_smaller_than_the_table_takes_is_nothing() -> None:
    """DynamoDB's smallest number is 1E-130; a record with a smaller one would not be written at all."""
    assert checked([1e-131, 1e-130]) == Answer((0.0, 1e-130))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "0 values instead of 2 .bicycle, motorcycle."),
        ([0.5], "1 values instead of 2"),
        ([0.2, 0.2, 0.2], "3 values instead of 2"),
        ([0.2, "0.2"], "no number"),
        ([True, 0], "no number"),
        ([0.2, None], "no number"),
        ([0.2, math.nan], "no probability"),
        ([0.2, math.inf], "no probability"),
        ([0.2, -0.01], "no probability"),
        ([1.01, 0], "no probability"),
        ([0.2, 10**400], "no probability"),
        ([0.6, 0.5], "more than 1"),
    ],
)
def test_what_cannot_be_true_is_no_answer(values: list[Any], says: str) -> None:
    """A probability for each configured label, finite, from 0 to 1, together at most 1."""
    with pytest.raises(InvalidPredictionError, match=says):
        checked(values)
