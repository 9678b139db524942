"""Reviewed pictures beside the training data: learnt from, never measured on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from training.data.errors import DataRefusedError
from training.data.pictures import SIDE, LabelledImages
from training.data.reviewed import REVIEW_LABELS, joined, read_reviewed, repeats_of
from training.data.split import Split
from vehiclevision.image_gate import encode, normalise


def noise(count: int, seed: int) -> list[Image.Image]:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return [Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.NEAREST) for each in coarse]


def files(pictures: list[Image.Image]) -> tuple[bytes, ...]:
    return tuple(encode(picture) for picture in pictures)


def base() -> tuple[LabelledImages, Split]:
    names = ("bicycle", "motorcycle", "house")
    images = LabelledImages(files(noise(90, 0)), np.repeat([0, 1, 2], 30), names, "test")
    return images, Split(np.arange(0, 90, 2), np.arange(1, 90, 2), 0)


def reviewed(count: int, seed: int) -> LabelledImages:
    return LabelledImages(files(noise(count, seed)), np.arange(count) % 3, REVIEW_LABELS, "reviewed")


def test_reviewed_pictures_join_the_training_part_only() -> None:
    """The validation part stays the same pictures; `neither` becomes a class of its own."""
    images, parts = base()

    merged, split = joined(images, parts, reviewed(6, 1), None)

    assert merged.class_names == ("bicycle", "motorcycle", "house", "neither")
    assert split.validation.tolist() == parts.validation.tolist()
    assert merged.part(split.validation).files == images.part(parts.validation).files
    added = split.train[len(parts.train) :]
    assert set(merged.classes[added].tolist()) == {0, 1, 3}
    assert set(added.tolist()) == set(range(90, 96))
    assert merged.data_hash() != images.data_hash()


def test_what_looks_like_a_held_out_picture_is_not_learnt() -> None:
    """The next photo of a burst would give the answer away."""
    images, parts = base()
    held_out = reviewed(6, 2)
    twin = ImageOps.mirror(noise(6, 2)[0])
    given = LabelledImages(files([twin, *noise(2, 3)]), np.array([0, 1, 2]), REVIEW_LABELS, "reviewed")

    merged, _ = joined(images, parts, given, held_out)

    assert len(merged) == 90 + 2


@pytest.mark.parametrize(("base_size", "count", "repeats"), [(10_000, 100, 4), (100, 100, 1), (100, 20, 2), (5, 0, 0)])
def test_few_pictures_are_drawn_often_and_never_take_over(base_size: int, count: int, repeats: int) -> None:
    """Four times at most, and no more than three draws in ten."""
    assert repeats_of(base_size, count) == repeats


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    """A damaged file costs itself, an empty folder the run."""
    (tmp_path / "bicycle").mkdir()
    noise(1, 4)[0].save(tmp_path / "bicycle" / "a.png")
    (tmp_path / "bicycle" / "b.png").write_bytes(b"no picture")

    assert len(read_reviewed(tmp_path)) == 1
    with pytest.raises(DataRefusedError, match="holds no reviewed pictures"):
        read_reviewed(tmp_path / "bicycle")


def test_pictures_of_earlier_releases_are_read_too(tmp_path: Path) -> None:
    """The gate's JPEGs are learnt from as they are; a PNG of an earlier release goes through the gate."""
    (tmp_path / "neither").mkdir()
    today, earlier = noise(2, 5)
    (tmp_path / "neither" / "b.jpg").write_bytes(encode(today))
    earlier.resize((32, 32)).save(tmp_path / "neither" / "a.png")

    images = read_reviewed(tmp_path)

    assert images.files == (normalise((tmp_path / "neither" / "a.png").read_bytes()).jpeg, encode(today))
    assert images.classes.tolist() == [2, 2]


def test_sources_of_the_base_data_are_kept() -> None:
    """Reviewed pictures come from no source with a name; those of the training data keep theirs."""
    images, parts = base()

    merged, _ = joined(replace(images, sources=("web",) * 90), parts, reviewed(3, 6), None)

    assert merged.sources == ("web",) * 90 + ("",) * 3
