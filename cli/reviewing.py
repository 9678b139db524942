"""What the `review` commands share: the parts of an application, the keys for its labels, and the words."""

import getpass
import os
from collections.abc import Mapping, Sequence
from typing import Final

from PIL import Image
from rich.style import Style
from rich.text import Text

from console.answers import SKIP, UNDO, answer_keys
from monitoring.holding import Reviewer
from monitoring.review import Reviewed
from vehiclevision.labels import MODEL_INPUT_SIDE, NEITHER

QUIT: Final = "quit"
# More columns than the model's input has show nothing more.
MAX_COLUMNS: Final = MODEL_INPUT_SIDE


def keys(labels: Sequence[str]) -> dict[str, str]:
    """What each key answers."""
    return answer_keys(labels, (NEITHER, SKIP, UNDO, QUIT))


def question(answers: Mapping[str, str]) -> str:
    """All answers on a line, each with its key in brackets."""
    return "  ".join(_with_key(word, key) for key, word in answers.items()) + ": "


def understood(typed: str, answers: Mapping[str, str]) -> str | None:
    """The answer that was typed as its key or as the whole word; None for anything else, which is never guessed at."""
    word = typed.strip().lower()
    return answers.get(word) or (word if word in answers.values() else None)


def reviewer() -> Reviewer:
    """Who sits at this terminal."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "a reviewer"
    return Reviewer(name, f"terminal-{os.getpid()}")


def confidences(labels: Sequence[str], inferences: Sequence[float] | None) -> str:
    """What the model said, label by label; a record of other labels has its numbers without names."""
    if inferences is None:
        return "no answer"
    if len(inferences) != len(labels):
        return "  ".join(f"{confidence:.3f}" for confidence in inferences)
    return "  ".join(f"{label} {confidence:.3f}" for label, confidence in zip(labels, inferences, strict=True))


def said(reviewed: Reviewed) -> str:
    """What became of a label, in words."""
    rider = f"the rider goes to {reviewed.route} orders" if reviewed.route else "no rider goes"
    return f"{reviewed.label}: recorded, announced and kept to learn from; {rider}."


def in_colours(image: Image.Image, columns: int, lines: int) -> Text:
    """The picture in the terminal, as large as fits: two pixels to a character, one above the other."""
    factor = min(min(columns, MAX_COLUMNS) / image.width, 2 * lines / image.height)
    width, height = max(1, round(image.width * factor)), 2 * max(1, round(image.height * factor / 2))
    pixels = image.resize((width, height), Image.Resampling.BICUBIC).tobytes()
    text = Text()
    for top in range(0, height, 2):
        text.append("  ")
        for column in range(width):
            upper, lower = (tuple(pixels[3 * (row * width + column) :][:3]) for row in (top, top + 1))
            text.append(
                "▀", Style(color="#{:02x}{:02x}{:02x}".format(*upper), bgcolor="#{:02x}{:02x}{:02x}".format(*lower))
            )
        text.append("\n")
    return text


def _with_key(word: str, key: str) -> str:
    before, present, after = word.partition(key)
    return f"{before}[{key}]{after}" if present else f"[{key}] {word}"
