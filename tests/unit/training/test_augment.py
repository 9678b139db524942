"""What pictures are changed into while training."""

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from training.augment import Augmentation, augment, mix


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_changed_pictures_are_pictures_still() -> None:
    """Whatever is drawn, colours stay finite and near 0..1, and the size is the one asked for."""
    x = torch.rand(64, 3, 32, 32, generator=draw(0))

    for seed in range(5):
        changed = augment(x, x.flip(0), 24, Augmentation(), draw(seed))

        assert changed.shape == (64, 3, 24, 24)
        assert torch.isfinite(changed).all()
        assert changed.min() > -0.5
        assert changed.max() < 1.5


def test_the_same_draw_changes_pictures_in_the_same_way() -> None:
    """Nothing is drawn from anywhere but the generator passed in."""
    x = torch.rand(8, 3, 32, 32, generator=draw(0))

    first, second = (augment(x, x, 32, Augmentation(), draw(7)) for _ in range(2))

    assert torch.equal(first, second)


def test_a_mixed_picture_is_its_own_and_its_partners_by_the_share_stated() -> None:
    """Each pixel is the picture's own or its partner's, and as many are its own as the share says."""
    own = torch.arange(16.0).view(-1, 1, 1, 1).expand(16, 3, 32, 32)
    shares = []

    for seed in range(20):
        mixed, partner, share = mix(own, 1.0, draw(seed))

        from_partner = mixed != own
        assert torch.equal(mixed[from_partner], own[partner][from_partner])
        different = partner != torch.arange(16)
        kept = (~from_partner[different]).float().mean(dim=(1, 2, 3))
        assert kept.numpy() == pytest.approx(share, abs=1e-6)
        shares.append(share)

    assert min(shares) < 0.4
    assert max(shares) > 0.9


def test_without_mixing_a_batch_stays_as_it_is() -> None:
    """A share of nothing leaves pictures and labels alone."""
    x = torch.rand(4, 3, 32, 32, generator=draw(0))

    mixed, _, share = mix(x, 0.0, draw(1))

    assert torch.equal(mixed, x)
    assert share == 1
