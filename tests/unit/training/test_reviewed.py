"""Reviewed pictures beside the training data: learnt from, never measured on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.errors import DataRefusedError
from training.data.pictures import LabelledImages
from training.data.reviewed import REVIEW_LABELS, joined, read_reviewed, repeats_of
from training.data.split import Split


def noise(count: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def base() -> tuple[LabelledImages, Split]:
    names = ("bicycle", "motorcycle", "house")
    images = LabelledImages(noise(90, 0), np.repeat([0, 1, 2], 30), names, "test")
    return images, Split(np.arange(0, 90, 2), np.arange(1, 90, 2), 0)


def reviewed(count: int, seed: int) -> LabelledImages:
    return LabelledImages(noise(count, seed), np.arange(count) % 3, REVIEW_LABELS, "reviewed")


def test_reviewed_pictures_join_the_training_part_only() -> None:
    """The validation part stays the same pictures; `neither` becomes a class of its own."""
    images, parts = base()

    merged, split = joined(images, parts, reviewed(6, 1), None)

    assert merged.class_names == ("bicycle", "motorcycle", "house", "neither")
    assert split.validation.tolist() == parts.validation.tolist()
    assert (merged.pixels[split.validation] == images.pixels[parts.validation]).all()
    added = split.train[len(parts.train) :]
    assert set(merged.classes[added].tolist()) == {0, 1, 3}
    assert set(added.tolist()) == set(range(90, 96))
    assert merged.data_hash() != images.data_hash()


def test_what_looks_like_a_held_out_picture_is_not_learnt() -> None:
    """The next photo of a burst would give the answer away."""
    images, parts = base()
    held_out = reviewed(6, 2)
    twin = held_out.pixels[:1, :, ::-1]
    given = LabelledImages(np.concatenate([twin, noise(2, 3)]), np.array([0, 1, 2]), REVIEW_LABELS, "reviewed")

    merged, _ = joined(images, parts, given, held_out)

    assert len(merged) == 90 + 2


@pytest.mark.parametrize(("base_size", "count", "repeats"), [(10_000, 100, 4), (100, 100, 1), (100, 20, 2), (5, 0, 0)])
def test_few_pictures_are_drawn_often_and_never_take_over(base_size: int, count: int, repeats: int) -> None:
    """Four times at most, and no more than three draws in ten."""
    assert repeats_of(base_size, count) == repeats


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    """A damaged file costs itself, an empty folder the run."""
    (tmp_path / "bicycle").mkdir()
    Image.fromarray(noise(1, 4)[0]).save(tmp_path / "bicycle" / "a.png")
    (tmp_path / "bicycle" / "b.png").write_bytes(b"no picture")

    assert len(read_reviewed(tmp_path)) == 1
    with pytest.raises(DataRefusedError, match="holds no reviewed pictures"):
        read_reviewed(tmp_path / "bicycle")
