"""Reviewed pictures beside the training data: learnt from, never measured on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from training.data.errors import DataRefusedError
from training.data.pictures import SIDE, LabelledImages
from training.data.reviewed import learnable, read_reviewed, reviewed_share
from vehiclevision.image_gate import encode, normalise
from vehiclevision.labels import TRUTHS


def noise(count: int, seed: int) -> list[Image.Image]:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return [Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.NEAREST) for each in coarse]


def files(pictures: list[Image.Image]) -> tuple[bytes, ...]:
    return tuple(encode(picture) for picture in pictures)


def reviewed(count: int, seed: int) -> LabelledImages:
    return LabelledImages(files(noise(count, seed)), np.arange(count) % 3, TRUTHS, "reviewed")


def test_what_looks_like_a_held_out_picture_is_not_learnt() -> None:
    """The next photo of a burst would give the answer away."""
    held_out = reviewed(6, 2)
    twin = ImageOps.mirror(noise(6, 2)[0])
    given = LabelledImages(files([twin, *noise(2, 3)]), np.array([0, 1, 2]), TRUTHS, "reviewed")

    kept = learnable(given, held_out)

    assert kept.classes.tolist() == [1, 2]
    assert learnable(given, None).files == given.files


def test_a_hundred_labels_weigh_in_full_and_never_take_over() -> None:
    """A few move the model a little; from a hundred on, three tenths of what is learnt from are theirs."""
    shares = [reviewed_share(count) / (1 + reviewed_share(count)) for count in (0, 10, 100, 5_000)]

    assert shares[0] == 0
    assert 0.03 < shares[1] < 0.05
    assert shares[2] == pytest.approx(0.3) == shares[3]


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
