"""The network: a small residual net for 32 x 32 pictures that knows every class of the data."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

# Of 0..1 colour values over CIFAR-100's training split; part of the exported graph.
CHANNEL_MEAN = (0.5071, 0.4866, 0.4409)
CHANNEL_SPREAD = (0.2673, 0.2564, 0.2762)


class ConvNorm(nn.Module):  # type: ignore[misc, unused-ignore]
    """Convolution and batch norm; the export folds the two into one."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Without an activation: a residual sum comes before it."""
        return cast(Tensor, self.norm(self.conv(x)))


class Stage(nn.Module):  # type: ignore[misc, unused-ignore]
    """Halve the sides, widen the channels, then one residual pair of convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = ConvNorm(inputs, outputs, stride=2)
        self.first = ConvNorm(outputs, outputs)
        self.second = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Half the sides, never negative."""
        x = torch.relu(self.down(x))
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class Network(nn.Module):  # type: ignore[misc, unused-ignore]
    """Logits of all classes from normalised pictures [n, 3, side, side]; a side of at least 16 will do."""

    def __init__(self, channels: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, channels[0])
        self.stages = nn.Sequential(*(Stage(inputs, outputs) for inputs, outputs in pairwise(channels)))
        self.head = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """One logit a class."""
        x = self.stages(torch.relu(self.stem(x)))
        return cast(Tensor, self.head(x.mean(dim=(2, 3))))


def normalise_colours(x: Tensor) -> Tensor:
    """From 0..1 colour values to what the network expects."""
    mean = torch.tensor(CHANNEL_MEAN).view(1, 3, 1, 1)
    spread = torch.tensor(CHANNEL_SPREAD).view(1, 3, 1, 1)
    return (x - mean) / spread


def parameter_count(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(parameter.numel() for parameter in network.parameters())
