"""Where a quick training begins: at a champion, or at the network as published where the champion is not ours."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from training.errors import ModelRefusedError

_Champion = TypeVar("_Champion")


def champion_or_published(path: Path, read: Callable[[Path], _Champion], *, asked_for: bool) -> _Champion | None:
    """The champion; None, with a sentence on standard error, for a model that training did not write.

    ModelRefusedError where a champion was asked for in so many words, or where the file is missing. Retraining asks for
    none: it gives whatever model answers, and must go on where that is not ours.
    """
    try:
        return read(path)
    except ModelRefusedError as refused:
        if asked_for or not path.exists():
            raise
        print(f"{refused.message} So this begins at the network as published.", file=sys.stderr)
        return None
