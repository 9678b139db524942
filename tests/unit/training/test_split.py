"""What trains and what validates."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from training.data.errors import DataRefusedError
from training.data.pictures import SIDE, LabelledImages, Pixels, decoded
from training.data.split import near_duplicate_groups, split, split_by_source
from vehiclevision.image_gate import encode, model_input
from vehiclevision.labels import LABELS


def test_parts_share_no_picture_and_lose_none(drawn: LabelledImages) -> None:
    """Every picture is in exactly one part, and each class gives its share of each."""
    parts = split(drawn)

    everything = np.concatenate([parts.train, parts.validation])
    assert sorted(everything.tolist()) == list(range(len(drawn)))
    assert np.bincount(drawn.classes[parts.validation]).tolist() == [12, 12, 12, 12]


def test_the_split_is_the_same_every_time(drawn: LabelledImages) -> None:
    """Two runs, with whatever training seeds, are measured on the same pictures."""
    first, second = split(drawn), split(drawn)

    assert np.array_equal(first.validation, second.validation)
    assert np.array_equal(first.train, second.train)


def test_near_duplicates_stay_on_one_side(drawn: LabelledImages) -> None:
    """A mirrored, darkened and slightly noisy copy lies in the same part as its original."""
    chance = np.random.default_rng(0)
    copies = [
        file_of((decoded(file)[:, ::-1] // 2 + chance.integers(0, 4, (SIDE, SIDE, 3), np.uint8)).astype(np.uint8))
        for file in drawn.files
    ]
    doubled = replace(drawn, files=(*drawn.files, *copies), classes=np.concatenate([drawn.classes, drawn.classes]))

    parts = split(doubled)

    part_of = np.empty(len(doubled), int)
    for number, part in enumerate((parts.train, parts.validation)):
        part_of[part] = number
    assert np.array_equal(part_of[: len(drawn)], part_of[len(drawn) :])
    assert parts.near_duplicates >= len(drawn)


def test_different_pictures_are_no_duplicates() -> None:
    """Pictures of nothing but noise are all different."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), np.uint8)

    groups = near_duplicate_groups([file_of(pixels) for pixels in noise])

    assert len(set(groups.tolist())) == 200


def test_too_few_pictures_are_refused(drawn: LabelledImages) -> None:
    """Where nothing could be held out of a class, training is refused instead of measured on nothing."""
    few = drawn.part(np.arange(0, len(drawn), 15))

    with pytest.raises(DataRefusedError, match="too few"):
        split(few)


def test_two_vehicles_alone_can_be_split(drawn: LabelledImages) -> None:
    """Data without any other class is split too; data without one of the vehicles in each part is refused."""
    vehicles = drawn.part(np.flatnonzero(drawn.classes < len(LABELS)))
    alone = replace(vehicles, class_names=LABELS)
    bicycles = alone.part(np.flatnonzero(alone.classes == 0))

    parts = split(alone)

    assert np.bincount(alone.classes[parts.validation]).tolist() == [12, 12]
    with pytest.raises(DataRefusedError, match="too few"):
        split(bicycles)


def test_a_source_is_held_out_as_a_whole(drawn: LabelledImages) -> None:
    """Every picture of it is measured, none is learnt from, nor any other that looks like one of them."""
    sources = tuple("web" if number % 4 == 0 else "street" for number in range(len(drawn)))
    twin = file_of(decoded(drawn.files[0])[:, ::-1].copy())
    images = replace(
        drawn,
        files=(*drawn.files, twin),
        classes=np.append(drawn.classes, drawn.classes[0]),
        sources=(*sources, "street"),
    )

    parts = split_by_source(images, ["web"])

    assert parts.validation.tolist() == list(range(0, len(drawn), 4))
    assert len(drawn) not in parts.train
    assert parts.near_duplicates >= 1
    assert set(parts.train.tolist()).isdisjoint(parts.validation.tolist())


def file_of(pixels: Pixels) -> bytes:
    """What the gate makes of these pixels."""
    return encode(model_input(Image.fromarray(pixels)))
