"""What pictures are changed into before they are learnt from."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

from training.augment import changed, changes
from training.data.pictures import SIDE

PICTURE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def test_changed_pictures_are_pictures_still() -> None:
    """Whatever is drawn, the size and the kind of numbers stay."""
    how = changes()

    for seed in range(20):
        copy = changed(PICTURE, seed, how)

        assert copy.shape == PICTURE.shape
        assert copy.dtype == np.uint8


def test_the_same_seed_changes_a_picture_in_the_same_way() -> None:
    """Nothing is drawn from anywhere but the seed, and another seed draws otherwise."""
    how = changes()

    first, again, other = (changed(PICTURE, seed, how) for seed in (7, 7, 8))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_some_pictures_become_thumbnails() -> None:
    """Of fine noise little is left in a good part of the copies: small uploads are learnt from, too."""
    how = changes()
    fine = np.abs(np.diff(PICTURE.astype(int), axis=0)).mean()

    detail = [np.abs(np.diff(changed(PICTURE, seed, how).astype(int), axis=0)).mean() for seed in range(60)]

    assert 0.2 < np.mean(np.array(detail) < 0.3 * fine) < 0.8
