"""Which pictures train, which calibrate and which validate; near-duplicates always stay on one side."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from training.data.pictures import Classes, DataRefusedError, LabelledImages, Pixels
from vehiclevision.labels import LABELS

# Apart from the training seed, so that runs with other seeds are measured on the same pictures.
SPLIT_SEED: Final = 20_261_121
CALIBRATION_SHARE: Final = 0.05
VALIDATION_SHARE: Final = 0.15
MIN_PICTURES: Final = 20

# Correlation of two 8 x 8 colour thumbnails from which on two pictures count as the same: shifts by a pixel, crops and
# re-encodings lie above it, different pictures of one kind of thing below.
SAME_PICTURE_CORRELATION: Final = 0.98
THUMBNAIL_SIDE: Final = 8
_CHUNK: Final = 2048

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Indices into the pictures; the three parts share no picture and no near-duplicate."""

    train: Indices
    calibration: Indices
    validation: Indices
    near_duplicates: int


def split(images: LabelledImages, seed: int = SPLIT_SEED) -> Split:
    """Hold out the shares of every class, moving groups of near-duplicates as one."""
    groups = near_duplicate_groups(images.pixels)
    part = np.zeros(len(images), dtype=np.int64)
    first_of_group, group_sizes = np.unique(groups, return_index=True, return_counts=True)[1:]
    order = np.random.default_rng(seed).permutation(len(first_of_group))
    totals = np.bincount(images.classes)
    wanted = {1: CALIBRATION_SHARE * totals, 2: VALIDATION_SHARE * totals}
    members = np.argsort(groups, kind="stable")
    starts = np.cumsum(group_sizes) - group_sizes
    for group in order:
        inside = members[starts[group] : starts[group] + group_sizes[group]]
        home = images.classes[first_of_group[group]]
        for number, room in wanted.items():
            if room[home] >= len(inside):
                part[inside] = number
                np.subtract.at(room, images.classes[inside], 1)
                break
    train, calibration, validation = (np.flatnonzero(part == number) for number in range(3))
    for indices in (train, calibration, validation):
        _check_part(images.classes[indices])
    return Split(train, calibration, validation, int(len(images) - len(first_of_group)))


def thinned(parts: Split, classes: Classes, keep_one_of: int) -> Split:
    """The same held-out parts, and for training all vehicles but only one in so many of the other pictures."""
    others = np.flatnonzero(classes[parts.train] >= len(LABELS))
    dropped = np.setdiff1d(others, others[::keep_one_of])
    return replace(parts, train=np.delete(parts.train, dropped))


def _check_part(classes: Classes) -> None:
    """Without both vehicles and something else in every part, nothing can be calibrated or measured."""
    if len(np.unique(np.minimum(classes, len(LABELS)))) <= len(LABELS):
        raise DataRefusedError(
            f"There are too few pictures to hold some out. Give at least {MIN_PICTURES} of every class."
        )


def near_duplicate_groups(pixels: Pixels) -> Classes:
    """A group number for every picture: pictures that look the same, mirrored or not, share one."""
    plain, mirrored = _thumbnails(pixels), _thumbnails(pixels[:, :, ::-1])
    parent = np.arange(len(pixels))
    for start in range(0, len(pixels), _CHUNK):
        rows = plain[start : start + _CHUNK]
        for other in (plain, mirrored):
            # Each pair is met once: the columns begin where the rows do.
            alike = rows @ other[start:].T
            np.fill_diagonal(alike, 0)
            # Few rows hold a pair at all, and finding those first is many times faster than looking at every entry.
            promising = np.flatnonzero(alike.max(axis=1) >= SAME_PICTURE_CORRELATION)
            lefts, rights = np.nonzero(alike[promising] >= SAME_PICTURE_CORRELATION)
            for left, right in zip((promising[lefts] + start).tolist(), (rights + start).tolist(), strict=True):
                _join(parent, left, right)
    return np.array([_root(parent, index) for index in range(len(pixels))])


def _thumbnails(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Unit vectors whose dot product is the correlation of two thumbnails."""
    block = pixels.shape[1] // THUMBNAIL_SIDE
    small = pixels.reshape(len(pixels), THUMBNAIL_SIDE, block, THUMBNAIL_SIDE, block, 3).mean(axis=(2, 4))
    flat = small.reshape(len(pixels), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (centred / np.maximum(lengths, 1e-6)).astype(np.float32)
    return unit


def _root(parent: Classes, index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = int(parent[index])
    return index


def _join(parent: Classes, left: int, right: int) -> None:
    low, high = sorted((_root(parent, left), _root(parent, right)))
    parent[high] = low
