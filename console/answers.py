"""The keys with which a person says what a picture shows, in the terminal and on the page alike."""

from collections.abc import Sequence
from string import ascii_lowercase, digits
from typing import Final

SKIP: Final = "skip"
UNDO: Final = "undo"


def answer_keys(labels: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """What each key answers: the other words have their first letter, a label its first that is free, or any."""
    taken = {word[0]: word for word in others}
    for label in labels:
        key = next(letter for letter in (*label, *ascii_lowercase, *digits) if letter not in taken and letter.isalnum())
        taken[key] = label
    order = (*labels, *others)
    return dict(sorted(taken.items(), key=lambda item: order.index(item[1])))
