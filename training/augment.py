"""How pictures are changed before they are learnt from: what photographing, framing and shrinking do to a vehicle.

torchvision's own transforms; the first look at every picture is at the picture as it is.
"""

import math
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from training.data.pictures import Pixels
from vehiclevision.labels import MODEL_INPUT_SIDE

LEAST_SIDE: Final = 28
MOST_SIDE: Final = 140
# Of 255 levels: from what a phone does at dusk to what a camera in the street does at night.
LEAST_NOISE: Final = 4.0
MOST_NOISE: Final = 50.0
# How many thumbnails are noisy, and how many have their pixels enlarged to blocks.
NOISY: Final = 0.15
BLOCKS: Final = 0.1


class Noise(v2.Transform):  # type: ignore[misc, unused-ignore]
    """Noise of a random strength on every pixel and colour, as a sensor makes it in bad light."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """A strength, weak ones as likely as strong ones."""
        return {"sigma": _drawn(LEAST_NOISE, MOST_NOISE) / 255}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The picture with noise on it."""
        return functional.gaussian_noise(inpt, sigma=params["sigma"])


class LowResolution(v2.Transform):  # type: ignore[misc, unused-ignore]
    """Shrunk to a thumbnail of a random size and made large again, as the gate makes of small uploads.

    Some thumbnails are noisy, and some had been enlarged before they were sent, each pixel to a block.
    """

    def __init__(self) -> None:
        super().__init__()
        self._noise = v2.RandomApply([Noise()], p=NOISY)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """A side, small ones as likely as large ones, and whether the pixels become blocks."""
        blocks = torch.rand(1).item() < BLOCKS
        grown = v2.InterpolationMode.NEAREST if blocks else v2.InterpolationMode.BICUBIC
        return {"side": round(_drawn(LEAST_SIDE, MOST_SIDE)), "grown": grown}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The picture in its old size."""
        small = functional.resize(inpt, [params["side"], params["side"]], v2.InterpolationMode.BICUBIC, antialias=True)
        return functional.resize(self._noise(small), list(inpt.shape[-2:]), params["grown"], antialias=True)


def changes() -> v2.Compose:
    """All changes, in the order in which the world makes them: framing, light, resolution, compression."""
    side = (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE)
    cut = v2.RandomResizedCrop(side, scale=(0.45, 1.0), ratio=(0.7, 1.4), antialias=True)
    on_grey, on_white = (v2.RandomZoomOut(fill=level, side_range=(1.1, 2.0), p=1.0) for level in (128, 255))
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomChoice([cut, on_grey, on_white, v2.Identity()], p=[0.6, 0.08, 0.07, 0.25]),
            v2.Resize(side, antialias=True),
            v2.RandomApply([v2.ColorJitter(brightness=0.35, contrast=0.35, saturation=0.4)], p=0.5),
            v2.RandomGrayscale(p=0.1),
            v2.RandomApply([v2.ColorJitter(brightness=(0.2, 0.5))], p=0.06),
            v2.RandomChoice(
                [LowResolution(), v2.GaussianBlur(9, (0.5, 2.0)), Noise(), v2.Identity()], p=[0.4, 0.1, 0.03, 0.47]
            ),
            v2.RandomApply([v2.JPEG((50, 95))], p=0.5),
        ]
    )


def changed(picture: Pixels, seed: int, how: v2.Compose) -> Pixels:
    """A changed copy; the same seed changes it the same way."""
    torch.manual_seed(seed)
    copy: Tensor = how(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    pixels: Pixels = copy.permute(1, 2, 0).contiguous().numpy()
    return pixels


def _drawn(least: float, most: float) -> float:
    """A number between two, of which small ones are as likely as large ones."""
    return math.exp(torch.empty(1).uniform_(math.log(least), math.log(most)).item())
