"""What pictures are changed into before they are learnt from."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from training.augment import BLOCKS, MOST_NOISE, NOISY, LowResolution, Noise, changed, changes
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


def test_some_thumbnails_are_enlarged_to_blocks_and_some_are_noisy() -> None:
    """In a block all pixels are one: so it is in as many thumbnails as is said, and a plain one may get noise."""
    torch.manual_seed(0)
    fine, grey = torch.from_numpy(PICTURE).permute(2, 0, 1), torch.full((3, SIDE, SIDE), 128, dtype=torch.uint8)
    thumbnail = LowResolution()

    in_blocks = [float((copy[:, 1:] == copy[:, :-1]).float().mean()) > 0.3 for copy in map(thumbnail, [fine] * 400)]
    noisy = [float(copy.float().std()) > 1 for copy in map(thumbnail, [grey] * 400)]

    assert np.mean(in_blocks) == pytest.approx(BLOCKS, abs=0.05)
    assert np.mean(noisy) == pytest.approx(NOISY, abs=0.06)


def test_noise_is_of_many_strengths() -> None:
    """On even grey it is seen alone: from hardly any to the most, and never on one colour only."""
    torch.manual_seed(0)
    grey = torch.full((3, SIDE, SIDE), 128, dtype=torch.uint8)

    spread = np.array([Noise()(grey).float().std(dim=(1, 2)).numpy() for _ in range(40)])

    assert spread.min() > 2
    assert spread.max() < MOST_NOISE + 1
    assert spread.max(axis=1).max() > 3 * spread.max(axis=1).min()
