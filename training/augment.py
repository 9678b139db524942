"""Batched augmentation: what photographing, framing and shrinking do to a vehicle, done to 32 x 32 pictures.

A photo reaches the model squashed to a square, its subject anywhere and of any size, in any light. So pictures are
zoomed in and out (onto other pictures, plain colour or their own reflection), squashed, tilted, mirrored, blurred,
relit and partly covered. All draws come from the generator passed in.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are changed; shares are probabilities per picture."""

    min_view: float = 0.65
    max_view: float = 1.6
    squash: float = 0.18
    tilt_degrees: float = 10.0
    untouched_geometry_share: float = 0.6
    relight_share: float = 0.45
    night_share: float = 0.06
    grey_share: float = 0.06
    blur_share: float = 0.15
    noise_share: float = 0.25
    cover_share: float = 0.4
    cover_side: float = 0.4
    # Of the batches, not of the pictures.
    mixed_share: float = 0.5


def augment(x: Tensor, backgrounds: Tensor, side: int, how: Augmentation, draw: Generator) -> Tensor:
    """Changed copies, [n, 3, side, side], of pictures in 0..1; zoomed-out ones lie on the backgrounds given."""
    x = _frame(x, backgrounds, side, how, draw)
    x = _relight(x, how, draw)
    x = _blur_and_noise(x, how, draw)
    return _cover(x, how, draw)


def mix(x: Tensor, mixed_share: float, draw: Generator) -> tuple[Tensor, Tensor, float]:
    """In some batches a part of each picture is another's (CutMix): pictures, whose part it is, and the own share."""
    count, side = len(x), x.shape[-1]
    partner = torch.randperm(count, generator=draw)
    chance, area, *centre = torch.rand(4, generator=draw).tolist()
    if chance >= mixed_share:
        return x, partner, 1.0
    reach = math.sqrt(area) / 2
    top, bottom, left, right = (
        round(side * min(max(middle + sign * reach, 0), 1)) for middle in centre for sign in (-1, 1)
    )
    mixed = x.clone()
    mixed[:, :, top:bottom, left:right] = x[partner, :, top:bottom, left:right]
    return mixed, partner, 1 - (bottom - top) * (right - left) / side**2


def _uniform(count: int, low: float, high: float, draw: Generator) -> Tensor:
    return torch.rand(count, generator=draw) * (high - low) + low


def _chosen(count: int, share: float, draw: Generator) -> Tensor:
    return torch.rand(count, generator=draw) < share


def _frame(x: Tensor, backgrounds: Tensor, side: int, how: Augmentation, draw: Generator) -> Tensor:
    count = len(x)
    plain = _chosen(count, how.untouched_geometry_share, draw)
    view = torch.exp(_uniform(count, math.log(how.min_view), math.log(how.max_view), draw))
    squash = torch.exp(torch.randn(count, generator=draw) * how.squash)
    angle = _uniform(count, -1, 1, draw) * math.radians(how.tilt_degrees)
    width, height = (torch.where(plain, 1.0, view * factor) for factor in (squash, 1 / squash))
    angle = torch.where(plain, 0.0, angle)
    # The window of view slides inside the picture, or the picture inside the window; plain ones by 4 pixels of 32.
    slack_x, slack_y = (torch.where(plain, 0.25, (1 - sides).abs()) for sides in (width, height))
    shift_x, shift_y = (slack * _uniform(count, -1, 1, draw) for slack in (slack_x, slack_y))
    mirror = torch.where(_chosen(count, 0.5, draw), -1.0, 1.0)
    rows = (
        torch.stack([mirror * width * angle.cos(), -height * angle.sin(), shift_x], dim=1),
        torch.stack([mirror * width * angle.sin(), height * angle.cos(), shift_y], dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), [count, 3, side, side], align_corners=False)
    framed = functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    outside = (grid.abs() > 1).any(dim=3).unsqueeze(1)
    beyond = _beyond(backgrounds, side, draw)
    reflected = (plain | _chosen(count, 0.35, draw)).view(-1, 1, 1, 1)
    return torch.where(outside & ~reflected, beyond, framed)


def _beyond(backgrounds: Tensor, side: int, draw: Generator) -> Tensor:
    """What lies behind a zoomed-out picture: a small patch of another one, magnified, or one plain colour."""
    count = len(backgrounds)
    size = _uniform(count, 0.1, 0.6, draw)
    x, y = ((1 - size) * _uniform(count, -1, 1, draw) for _ in range(2))
    nought = torch.zeros(count)
    rows = (torch.stack([size, nought, x], dim=1), torch.stack([nought, size, y], dim=1))
    grid = functional.affine_grid(torch.stack(rows, dim=1), [count, 3, side, side], align_corners=False)
    patch = functional.grid_sample(backgrounds, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    colour = torch.rand(count, 1, 1, 1, generator=draw) + 0.1 * torch.randn(count, 3, 1, 1, generator=draw)
    flat = _chosen(count, 0.35, draw).view(-1, 1, 1, 1)
    white = _chosen(count, 0.4, draw).view(-1, 1, 1, 1)
    return torch.where(flat, torch.where(white, 1.0, colour.clamp(0, 1)), patch)


def _relight(x: Tensor, how: Augmentation, draw: Generator) -> Tensor:
    """Contrast, brightness, saturation, colour cast; for some, night."""
    count = len(x)
    relit = _chosen(count, how.relight_share, draw).view(-1, 1, 1, 1)
    contrast, saturation = (torch.exp(_uniform(count, -0.5, 0.4, draw)).view(-1, 1, 1, 1) for _ in range(2))
    gamma = torch.exp(torch.randn(count, generator=draw) * 0.25).view(-1, 1, 1, 1)
    cast = torch.exp(torch.randn(count, 3, 1, 1, generator=draw) * 0.06)
    shift = (torch.randn(count, generator=draw) * 0.08).view(-1, 1, 1, 1)
    changed = _saturate(x.clamp(1e-3, 1) ** gamma, saturation)
    middle = changed.mean(dim=(1, 2, 3), keepdim=True)
    changed = ((changed - middle) * contrast + middle + shift) * cast
    x = torch.where(relit, changed, x)
    grey = _chosen(count, how.grey_share, draw).view(-1, 1, 1, 1)
    x = torch.where(grey, _saturate(x, torch.zeros(1)), x)
    night = _chosen(count, how.night_share, draw).view(-1, 1, 1, 1)
    dim = _uniform(count, 0.2, 0.6, draw).view(-1, 1, 1, 1)
    return torch.where(night, x * dim, x).clamp(0, 1)


def _saturate(x: Tensor, factor: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (x * weights).sum(dim=1, keepdim=True)
    return grey + (x - grey) * factor


def _blur_and_noise(x: Tensor, how: Augmentation, draw: Generator) -> Tensor:
    count = len(x)
    strength = _uniform(count, 0.3, 1.0, draw) * _chosen(count, how.blur_share, draw)
    soft = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.lerp(x, soft, strength.view(-1, 1, 1, 1))
    spread = _uniform(count, 0, 0.06, draw) * _chosen(count, how.noise_share, draw)
    return x + torch.randn(x.shape, generator=draw) * spread.view(-1, 1, 1, 1)


def _cover(x: Tensor, how: Augmentation, draw: Generator) -> Tensor:
    """A grey rectangle over a part of the picture (cut-out)."""
    count, side = len(x), x.shape[-1]
    covered = _chosen(count, how.cover_share, draw).view(-1, 1, 1)
    half = [_uniform(count, 0.1, how.cover_side, draw).view(-1, 1) * side / 2 for _ in range(2)]
    centre = [_uniform(count, 0, side, draw).view(-1, 1) for _ in range(2)]
    along = [(torch.arange(side) + 0.5 - middle).abs() <= reach for middle, reach in zip(centre, half, strict=True)]
    hidden = along[0].unsqueeze(1) & along[1].unsqueeze(2) & covered
    return torch.where(hidden.unsqueeze(1), x.mean(dim=(2, 3), keepdim=True), x)
