"""Which pictures train and which validate; near-duplicates always stay on one side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from training.data.pictures import Classes, DataRefusedError, LabelledImages, mean_levels
from training.data.threads import THREADS, in_threads
from vehiclevision.labels import LABELS

# Apart from the training seed, so that runs with other seeds are measured on the same pictures.
SPLIT_SEED: Final = 20_261_121
VALIDATION_SHARE: Final = 0.2
MIN_PICTURES: Final = 20

# Correlation of two 8 x 8 colour thumbnails from which on two pictures count as the same: shifts by a pixel, crops and
# re-encodings lie above it, different pictures of one kind of thing below.
SAME_PICTURE_CORRELATION: Final = 0.98
THUMBNAIL_SIDE: Final = 8
_CHUNK: Final = 2048
# A chunk's table of similarities takes at most 128 MiB, however many pictures there are.
_MAX_TABLE_ENTRIES: Final = 2**25

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Indices into the pictures; the two parts share no picture and no near-duplicate."""

    train: Indices
    validation: Indices
    near_duplicates: int


class HeldOutDiffersError(Exception):
    """A model's training held out other pictures than this release would: it has seen some of these."""


def divided(images: LabelledImages, left_out: Sequence[str]) -> Split:
    """By source where one of its sources is left out, else by near-duplicates."""
    return split_by_source(images, left_out) if set(left_out) & set(images.sources) else split(images)


def parts_of_model(images: LabelledImages, manifest: Mapping[str, Any]) -> Split | None:
    """How a model's training split these pictures; None where its manifest does not say that it learnt from them."""
    data_hash = images.data_hash()
    sets = manifest.get("data") or [{"data_hash": manifest.get("data_hash")}]
    for each in sets:
        if each.get("data_hash") == data_hash:
            split_then = divided(images, each.get("left_out", ()))
            expected = each.get("held_out_hash")
            if expected is not None and expected != images.part(split_then.validation).data_hash():
                raise HeldOutDiffersError
            return split_then
    return None


def split(images: LabelledImages, seed: int = SPLIT_SEED) -> Split:
    """Hold out a share of every class, moving groups of near-duplicates as one."""
    groups = near_duplicate_groups(images.files)
    held_out = np.zeros(len(images), dtype=bool)
    first_of_group, group_sizes = np.unique(groups, return_index=True, return_counts=True)[1:]
    order = np.random.default_rng(seed).permutation(len(first_of_group))
    room = VALIDATION_SHARE * np.bincount(images.classes)
    members = np.argsort(groups, kind="stable")
    starts = np.cumsum(group_sizes) - group_sizes
    for group in order:
        inside = members[starts[group] : starts[group] + group_sizes[group]]
        if room[images.classes[first_of_group[group]]] >= len(inside):
            held_out[inside] = True
            np.subtract.at(room, images.classes[inside], 1)
    train, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    for indices in (train, validation):
        _check_part(images.classes[indices], has_others=len(images.class_names) > len(LABELS))
    return Split(train, validation, int(len(images) - len(first_of_group)))


def split_by_source(images: LabelledImages, left_out: Sequence[str]) -> Split:
    """Hold out every picture of the named sources, and learn from no picture that looks like one of them."""
    held_out = np.isin(np.array(images.sources), list(left_out))
    groups = near_duplicate_groups(images.files)
    alike = np.isin(groups, groups[held_out]) & ~held_out
    validation = np.flatnonzero(held_out)
    _check_part(images.classes[validation], has_others=len(images.class_names) > len(LABELS))
    return Split(np.flatnonzero(~held_out & ~alike), validation, int(alike.sum()))


def _check_part(classes: Classes, *, has_others: bool) -> None:
    """Without every vehicle, and something else where there is any, in every part, nothing can be measured."""
    if len(np.unique(np.minimum(classes, len(LABELS)))) < len(LABELS) + has_others:
        raise DataRefusedError(
            f"There are too few pictures to hold some out. Give at least {MIN_PICTURES} of every class."
        )


def near_duplicate_groups(files: Sequence[bytes]) -> Classes:
    """A group number for every picture: pictures that look the same, mirrored or not, share one."""
    thumbnails = np.stack(list(in_threads(lambda file: mean_levels(file, "RGB", THUMBNAIL_SIDE), files, THREADS)))
    plain, mirrored = _unit_vectors(thumbnails), _unit_vectors(thumbnails[:, :, ::-1])
    pairs: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]] = []
    chunk = max(1, min(_CHUNK, _MAX_TABLE_ENTRIES // max(1, len(files))))
    for start in range(0, len(files), chunk):
        rows = plain[start : start + chunk]
        for other in (plain, mirrored):
            # Each pair is met once: the columns begin where the rows do.
            alike = rows @ other[start:].T
            np.fill_diagonal(alike, 0)
            # Few rows hold a pair at all, and finding those first is many times faster than looking at every entry.
            promising = np.flatnonzero(alike.max(axis=1) >= SAME_PICTURE_CORRELATION)
            lefts, rights = np.nonzero(alike[promising] >= SAME_PICTURE_CORRELATION)
            pairs.append((promising[lefts] + start, rights + start))
    lefts, rights = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    alike_in_pairs = coo_array((np.ones(len(lefts), bool), (lefts, rights)), shape=(len(files), len(files)))
    groups: Classes = connected_components(alike_in_pairs, directed=False)[1].astype(np.int64)
    return groups


def _unit_vectors(thumbnails: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Unit vectors whose dot product is the correlation of two thumbnails."""
    flat = thumbnails.reshape(len(thumbnails), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (centred / np.maximum(lengths, 1e-6)).astype(np.float32)
    return unit
