"""Pictures that people labelled, beside the training data: a folder per label, `neither` for all else."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from training.data.errors import DataRefusedError
from training.data.pictures import LabelledImages, normalised
from training.data.split import near_duplicate_groups
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits
from vehiclevision.labels import TRUTHS

# The gate's JPEGs are learnt from as they are; PNGs of releases before it made JPEGs go through it again.
SUFFIXES: Final = (".jpg", ".png")
# However many there are, no more than this share of what is learnt from is theirs; so many have all of it.
MOST_SHARE: Final = 0.3
FULL_WEIGHT: Final = 100


def read_reviewed(folder: Path) -> LabelledImages:
    """The pictures in the order of their names, which are hashes; files that are no pictures are left out."""
    files: list[bytes] = []
    classes: list[int] = []
    for number, label in enumerate(TRUTHS):
        for path in sorted(path for suffix in SUFFIXES for path in (folder / label).glob(f"*{suffix}")):
            try:
                with path.open("rb") as stream:
                    files.append(normalised(stream.read(Limits().max_bytes + 1)))
            except InvalidImageError:
                continue
            classes.append(number)
    if not files:
        raise DataRefusedError(f"{folder} holds no reviewed pictures.", "Label some: vehiclevision review")
    return LabelledImages(tuple(files), np.array(classes, dtype=np.int64), TRUTHS, "reviewed")


def learnable(reviewed: LabelledImages, held_out: LabelledImages | None) -> LabelledImages:
    """The reviewed pictures but those that look like one of the held-out ones, such as the next photo of a burst.

    What decides between two models must not have been learnt from.
    """
    return reviewed if held_out is None else reviewed.part(np.flatnonzero(~_alike(reviewed, held_out)))


def reviewed_share(count: int) -> float:
    """How much so many reviewed pictures weigh beside one set of data: they are few, and what uploads look like now."""
    return MOST_SHARE / (1 - MOST_SHARE) * min(1.0, count / FULL_WEIGHT)


def _alike(reviewed: LabelledImages, held_out: LabelledImages) -> npt.NDArray[np.bool_]:
    """Which reviewed pictures share a group of near-duplicates with a held-out one."""
    groups = near_duplicate_groups((*held_out.files, *reviewed.files))
    alike: npt.NDArray[np.bool_] = np.isin(groups[len(held_out) :], groups[: len(held_out)])
    return alike
