"""The network: any that timm has, in two parts. What lies in front stays as published; what comes late may be learnt.

Nothing in front changes, so what it makes of a picture is computed once. The head looks at every place of the last map
and the answer is the mean over all places: that is what the activation map shows.
"""

from collections.abc import Sequence
from typing import Final, cast

import timm
import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn

from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

DEFAULT_BACKBONE: Final = "tf_efficientnet_lite0"
# Colour levels 0..255 as the weights of the default backbone expect them; part of the exported graph.
LEVEL_MIDDLE: Final = 127.0
LEVEL_SPREAD: Final = 128.0
# Of a network made of stages of blocks, so many stages lie in front.
FRONT_STAGES: Final = 3
# The labels, and one for all else.
ANSWERS: Final = len(LABELS) + 1


class HalvingConv(nn.Conv2d):  # type: ignore[misc, unused-ignore]
    """timm's convolution that halves sides, for sides that are even, as all are here: its padding is a fixed number.

    timm's computes it from the picture; exported, that would be computed again for every picture.
    """

    @classmethod
    def like(cls, layer: nn.Conv2d) -> "HalvingConv":
        """The same convolution with the same weights."""
        settings = {"groups": layer.groups, "bias": layer.bias is not None, "dilation": layer.dilation}
        copy = cls(layer.in_channels, layer.out_channels, layer.kernel_size, stride=2, **settings)
        copy.load_state_dict(layer.state_dict())
        return copy

    def forward(self, x: Tensor) -> Tensor:
        """With one more row and column behind than before, where the window is odd.

        The value is named because only then does onnxruntime make padding and convolution one, a fifth faster.
        """
        around = [size - 2 for size in self.kernel_size]
        before_after = [part for size in reversed(around) for part in (size // 2, size - size // 2)]
        return cast(Tensor, super().forward(nn.functional.pad(x, before_after, value=0.0)))


class Front(nn.Module):  # type: ignore[misc, unused-ignore]
    """From uint8 pictures [n, side, side, 3] to what is kept of them; the pictures themselves, if nothing is."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        if has_stages(backbone):
            stages = cast(Sequence[nn.Module], backbone.blocks)[:FRONT_STAGES]
            self.parts.extend([cast(nn.Module, backbone.conv_stem), cast(nn.Module, backbone.bn1), *stages])

    def forward(self, pictures: Tensor) -> Tensor:
        """In half precision where it is the network's, which is exact enough to keep."""
        if not len(self.parts):
            return pictures
        x = normalise(pictures)
        for part in self.parts:
            x = part(x)
        return x.half()


class Late(nn.Module):  # type: ignore[misc, unused-ignore]
    """From what the front kept to the last maps [n, features, rows, columns], or to features [n, features]."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.staged = has_stages(backbone)
        if self.staged:
            stages = cast(Sequence[nn.Module], backbone.blocks)[FRONT_STAGES:]
            last = (cast(nn.Module, backbone.conv_head), cast(nn.Module, backbone.bn2))
            self.backbone: nn.Module = nn.Sequential(*stages, *last)
        else:
            self.backbone = backbone

    def forward(self, kept: Tensor) -> Tensor:
        """What the head looks at."""
        if self.staged:
            return cast(Tensor, self.backbone(kept.float()))
        x = self.backbone.forward_features(normalise(kept))
        pooled = self.backbone.forward_head(x, pre_logits=True)
        # Some networks pool before their last layers: they have features and no map.
        is_mean = x.ndim == pooled.ndim + 2 and x.shape[:2] == pooled.shape
        return cast(Tensor, x if is_mean else pooled)


class Network(nn.Module):  # type: ignore[misc, unused-ignore]
    """Logits of the labels and of all else."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.front = Front(backbone)
        self.late = Late(backbone)
        # Some networks have layers of their own between the last maps and the head.
        width = getattr(backbone, "head_hidden_size", None) or backbone.num_features
        self.head = nn.Linear(int(width), ANSWERS)  # type: ignore[arg-type, unused-ignore]

    def forward(self, pictures: Tensor) -> Tensor:
        """From uint8 pictures [n, side, side, 3]."""
        return cast(Tensor, self.head(self.features(self.front(pictures))))

    def features(self, kept: Tensor) -> Tensor:
        """What the last layer sees, from what the front kept."""
        return pooled(self.late(kept))


def create(backbone: str, *, pretrained: bool) -> nn.Module:
    """A network of timm's with ImageNet's classes; its weights from timm's hub, or random."""
    sized = {"img_size": MODEL_INPUT_SIDE} if "vit" in backbone else {}
    network = cast(nn.Module, timm.create_model(backbone, pretrained=pretrained, **sized))
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, Conv2dSame) and layer.stride == (2, 2):
                setattr(parent, name, HalvingConv.like(layer))
    return network


def has_stages(backbone: nn.Module) -> bool:
    """Whether it is of the EfficientNet family: a stem, stages of blocks, one last convolution, and their norms."""
    return all(hasattr(backbone, name) for name in ("conv_stem", "bn1", "blocks", "conv_head", "bn2"))


def normalise(pictures: Tensor) -> Tensor:
    """From uint8 [n, side, side, 3] to colour planes as the weights expect them."""
    return (pictures.permute(0, 3, 1, 2).float() - LEVEL_MIDDLE) / LEVEL_SPREAD


def pooled(last: Tensor) -> Tensor:
    """The mean over all places of maps; features as they are."""
    return last.mean(dim=(2, 3)) if last.ndim == 4 else last


def parameter_count(network: nn.Module) -> int:
    """How many numbers the network holds."""
    return sum(parameter.numel() for parameter in network.parameters())


def device_of(network: nn.Module) -> torch.device:
    """Where it computes."""
    return next(network.parameters()).device
