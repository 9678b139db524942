"""Pictures that people labelled, beside the training data: a folder per label, `neither` for all else."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from training.data.errors import DataRefusedError
from training.data.pictures import Classes, LabelledImages, normalised
from training.data.split import Indices, Split, near_duplicate_groups
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits
from vehiclevision.labels import LABELS

NEITHER: Final = "neither"
REVIEW_LABELS: Final = (*LABELS, NEITHER)
# The gate's JPEGs are learnt from as they are; PNGs of releases before it made JPEGs go through it again.
SUFFIXES: Final = (".jpg", ".png")
# So many draws an epoch for one reviewed picture: they are few, and what uploads look like now.
REPEATS: Final = 4
# However often they are drawn, no more than this share of the training part is theirs.
MOST_SHARE: Final = 0.3


def read_reviewed(folder: Path) -> LabelledImages:
    """The pictures in the order of their names, which are hashes; files that are no pictures are left out."""
    files: list[bytes] = []
    classes: list[int] = []
    for number, label in enumerate(REVIEW_LABELS):
        for path in sorted(path for suffix in SUFFIXES for path in (folder / label).glob(f"*{suffix}")):
            try:
                with path.open("rb") as stream:
                    files.append(normalised(stream.read(Limits().max_bytes + 1)))
            except InvalidImageError:
                continue
            classes.append(number)
    if not files:
        raise DataRefusedError(f"{folder} holds no reviewed pictures.", "Label some: vehiclevision review")
    return LabelledImages(tuple(files), np.array(classes, dtype=np.int64), REVIEW_LABELS, "reviewed")


def joined(
    base: LabelledImages, parts: Split, reviewed: LabelledImages, held_out: LabelledImages | None
) -> tuple[LabelledImages, Split]:
    """Training data with reviewed pictures in its training part; the validation part stays what it was.

    A reviewed picture that looks like one of the held-out ones (the next photo of a burst) is left out: what decides
    between two models must not have been learnt from.
    """
    kept = np.flatnonzero(~_alike(reviewed, held_out)) if held_out is not None else np.arange(len(reviewed))
    learnt = reviewed.part(kept)
    names = base.class_names
    if NEITHER not in names and bool((learnt.classes >= len(LABELS)).any()):
        names = (*names, NEITHER)
    numbers: Classes = np.array([names.index(REVIEW_LABELS[number]) for number in learnt.classes], dtype=np.int64)
    images = LabelledImages(
        (*base.files, *learnt.files),
        np.concatenate([base.classes, numbers]),
        names,
        base.layout,
        base.refused,
        (*base.sources, *[""] * len(learnt)) if base.sources else (),
    )
    added: Indices = np.arange(len(base), len(images))
    repeats = repeats_of(len(parts.train), len(added))
    return images, Split(np.concatenate([parts.train, *[added] * repeats]), parts.validation, parts.near_duplicates)


def repeats_of(base: int, reviewed: int) -> int:
    """How often each reviewed picture is drawn, so that they help and do not take over; once at least."""
    if reviewed == 0:
        return 0
    return max(1, min(REPEATS, int(MOST_SHARE / (1 - MOST_SHARE) * base / reviewed)))


def _alike(reviewed: LabelledImages, held_out: LabelledImages) -> npt.NDArray[np.bool_]:
    """Which reviewed pictures share a group of near-duplicates with a held-out one."""
    groups = near_duplicate_groups((*held_out.files, *reviewed.files))
    alike: npt.NDArray[np.bool_] = np.isin(groups[len(held_out) :], groups[: len(held_out)])
    return alike
