"""The network: the first blocks of EfficientNet-Lite0, on pictures made twice as large.

Its weights can begin from those that Google published for ImageNet (see `training.published`).
"""

from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

# Colour levels 0..255 as the published weights expect them; part of the exported graph.
LEVEL_MIDDLE: Final = 127.0
LEVEL_SPREAD: Final = 128.0
# What the published weights learnt from is larger than 32 pixels: so is what they are shown.
MAGNIFIED: Final = 2
STEM: Final = 32


@dataclass(frozen=True)
class Plan:
    """What one block is made of: how much wider it is inside, its window, step and width."""

    widening: int
    kernel: int
    stride: int
    channels: int


# Tan and Le's table, but for the twelfth block: with no step there, 4 x 4 places of a picture are left, not 2 x 2.
BLOCKS: Final = (
    Plan(1, 3, 1, 16),
    Plan(6, 3, 2, 24),
    Plan(6, 3, 1, 24),
    Plan(6, 5, 2, 40),
    Plan(6, 5, 1, 40),
    Plan(6, 3, 2, 80),
    Plan(6, 3, 1, 80),
    Plan(6, 3, 1, 80),
    Plan(6, 5, 1, 112),
    Plan(6, 5, 1, 112),
    Plan(6, 5, 1, 112),
    Plan(6, 5, 1, 192),
)


class Depthwise(nn.Conv2d):  # type: ignore[misc, unused-ignore]
    """One window a channel. Learnt in single precision: PyTorch's mixed one is many times slower at it on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Like any convolution."""
        if not (x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()):
            return cast(Tensor, super().forward(x))
        with torch.autocast("cpu", enabled=False):
            return cast(Tensor, super().forward(x.float())).to(x.dtype)


class ConvNorm(nn.Module):  # type: ignore[misc, unused-ignore]
    """Convolution and batch norm; the export folds the two into one."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        kind = nn.Conv2d if groups == 1 else Depthwise
        self.conv = kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Without an activation: a block's last convolution has none."""
        return cast(Tensor, self.norm(self.conv(x)))


class Block(nn.Module):  # type: ignore[misc, unused-ignore]
    """Widen, look around in each channel alone, narrow again; what came in is added where it fits."""

    def __init__(self, inputs: int, plan: Plan) -> None:
        super().__init__()
        inside = inputs * plan.widening
        self.widen = ConvNorm(inputs, inside) if plan.widening > 1 else None
        self.look = ConvNorm(inside, inside, plan.kernel, plan.stride, groups=inside)
        self.narrow = ConvNorm(inside, plan.channels)
        self.adds = plan.stride == 1 and plan.channels == inputs

    def forward(self, x: Tensor) -> Tensor:
        """The block's answer, of either sign."""
        inside = functional.relu6(self.widen(x)) if self.widen else x
        found = cast(Tensor, self.narrow(functional.relu6(self.look(inside))))
        return x + found if self.adds else found


class Network(nn.Module):  # type: ignore[misc, unused-ignore]
    """Logits of all classes from normalised pictures [n, 3, side, side]; a side of at least 16 will do."""

    def __init__(self, blocks: int, classes: int) -> None:
        super().__init__()
        plans = BLOCKS[:blocks]
        inputs = (STEM, *(plan.channels for plan in plans))
        self.stem = ConvNorm(3, STEM, kernel=3, stride=2)
        self.blocks = nn.Sequential(*(Block(width, plan) for width, plan in zip(inputs, plans, strict=False)))
        self.head = nn.Linear(inputs[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """One logit a class."""
        x = self.blocks(functional.relu6(self.stem(magnify(x))))
        return cast(Tensor, self.head(x.mean(dim=(2, 3))))


def magnify(x: Tensor) -> Tensor:
    """Pictures with longer sides, smooth between their pixels."""
    sides = (x.shape[2] * MAGNIFIED, x.shape[3] * MAGNIFIED)
    return functional.interpolate(x, size=sides, mode="bilinear", align_corners=False)


def normalise_colours(x: Tensor) -> Tensor:
    """From 0..1 colour values to what the network expects."""
    return (x * 255 - LEVEL_MIDDLE) / LEVEL_SPREAD


def parameter_count(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(parameter.numel() for parameter in network.parameters())
