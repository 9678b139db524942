"""What trains, what calibrates and what validates."""

from dataclasses import replace

import numpy as np
import pytest

from training.data.pictures import DataRefusedError, LabelledImages
from training.data.split import near_duplicate_groups, split, thinned


def test_parts_share_no_picture_and_lose_none(drawn: LabelledImages) -> None:
    """Every picture is in exactly one part, and each class gives its share of each."""
    parts = split(drawn)

    everything = np.concatenate([parts.train, parts.calibration, parts.validation])
    assert sorted(everything.tolist()) == list(range(len(drawn)))
    assert np.bincount(drawn.classes[parts.calibration]).tolist() == [3, 3, 3, 3]
    assert np.bincount(drawn.classes[parts.validation]).tolist() == [9, 9, 9, 9]


def test_the_split_is_the_same_every_time(drawn: LabelledImages) -> None:
    """Two runs, with whatever training seeds, are measured on the same pictures."""
    first, second = split(drawn), split(drawn)

    assert np.array_equal(first.validation, second.validation)
    assert np.array_equal(first.calibration, second.calibration)


def test_near_duplicates_stay_on_one_side(drawn: LabelledImages) -> None:
    """A mirrored, darkened or slightly noisy copy lies in the same part as its original."""
    noise = np.random.default_rng(0).integers(0, 4, drawn.pixels.shape, np.uint8)
    copies = (drawn.pixels[:, :, ::-1] // 2 + noise).astype(np.uint8)
    doubled = replace(
        drawn, pixels=np.concatenate([drawn.pixels, copies]), classes=np.concatenate([drawn.classes, drawn.classes])
    )

    parts = split(doubled)

    part_of = np.empty(len(doubled), int)
    for number, part in enumerate((parts.train, parts.calibration, parts.validation)):
        part_of[part] = number
    assert np.array_equal(part_of[: len(drawn)], part_of[len(drawn) :])
    assert parts.near_duplicates >= len(drawn)


def test_different_pictures_are_no_duplicates() -> None:
    """Pictures of nothing but noise are all different, and so are plain ones and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), np.uint8)

    groups = near_duplicate_groups(noise)

    assert len(set(groups.tolist())) == 200


def test_too_few_pictures_are_refused(drawn: LabelledImages) -> None:
    """Where nothing could be held out of a class, training is refused instead of measured on nothing."""
    few = drawn.part(np.arange(0, len(drawn), 12))

    with pytest.raises(DataRefusedError, match="too few"):
        split(few)


def test_thinning_keeps_vehicles_and_what_is_held_out(drawn: LabelledImages) -> None:
    """A quick run learns from all vehicles and a third of the rest, and is measured on the same pictures."""
    parts = split(drawn)

    quick = thinned(parts, drawn.classes, keep_one_of=3)

    assert np.bincount(drawn.classes[quick.train]).tolist() == [48, 48, 16, 16]
    assert np.array_equal(quick.validation, parts.validation)
    assert set(quick.train) <= set(parts.train)
