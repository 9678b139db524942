"""What is measured on a picture: light, colour and size, on the model's own input so that any endpoint's compare.

Brightness, contrast and sharpness mean what they mean in vehiclevision.image_gate, whole batches at a time.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits, decode, model_input

Numbers = npt.NDArray[np.float64]
Pictures = npt.NDArray[np.uint8]

MEASURES: Final = ("brightness", "contrast", "sharpness", "saturation", "warmth", "pixels")

# What an endpoint accepted may be smaller than what this application lets in.
LIMITS: Final = Limits(min_side_pixels=1)
THUMBNAIL_SIDE: Final = 96


@dataclass(frozen=True)
class Seen:
    """A captured picture, decoded: the model's input, a small copy to show, and its size as captured."""

    small: Pictures
    thumbnail: Image.Image
    width: int
    height: int
    digest: str


def see(picture: bytes) -> Seen | None:
    """Decode a captured picture within the gate's limits; None when it cannot be."""
    try:
        found = decode(picture, LIMITS)
    except InvalidImageError:
        return None
    thumbnail = found.working
    if max(thumbnail.size) > THUMBNAIL_SIDE:
        thumbnail = thumbnail.copy()
        thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC)
    small = np.asarray(model_input(found.working), np.uint8)
    return Seen(small, thumbnail, found.width, found.height, hashlib.sha256(picture).hexdigest())


def measure(pictures: Sequence[Seen]) -> dict[str, Numbers]:
    """All measures of decoded pictures; `pixels` is that of the picture as captured."""
    if not pictures:
        return {name: np.empty(0) for name in MEASURES}
    sizes = np.array([picture.width * picture.height for picture in pictures], np.float64)
    return measure_arrays(np.stack([picture.small for picture in pictures]), sizes)


def measure_arrays(pictures: Pictures, sizes: Numbers | None = None) -> dict[str, Numbers]:
    """All measures of RGB pictures [n, height, width, 3]; `sizes` are their numbers of pixels when they were larger."""
    count, height, width, _ = pictures.shape
    channels = np.ascontiguousarray(pictures.transpose(3, 0, 1, 2))
    # Pillow's own grey and Laplacian, in whole numbers: they must agree with the gate's to the last digit.
    red, green, blue = channels.astype(np.int32)
    grey = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    edges = np.clip((around - 4 * grey[:, 1:-1, 1:-1] + 514) >> 2, 0, 255)
    found = {
        "brightness": _mean(grey),
        "contrast": _spread(grey),
        "sharpness": _spread(edges),
        "saturation": _mean(channels.max(axis=0)) - _mean(channels.min(axis=0)),
        "warmth": _mean(channels[0]) - _mean(channels[2]),
        "pixels": np.log10(np.full(count, height * width, np.float64) if sizes is None else sizes),
    }
    return {name: found[name] for name in MEASURES}


def _mean(levels: npt.NDArray[Any]) -> Numbers:
    """Of each picture, as a part of the whole scale."""
    flat = levels.reshape(len(levels), -1)
    mean: Numbers = flat.sum(1, dtype=np.int64) / (flat.shape[1] * 255)
    return mean


def _spread(levels: npt.NDArray[np.int32]) -> Numbers:
    """The standard deviation in each picture, as a part of the whole scale."""
    flat = levels.reshape(len(levels), -1)
    pixels = flat.shape[1]
    total, squares = flat.sum(1, dtype=np.int64), np.square(flat).sum(1, dtype=np.int64)
    # In whole numbers up to here: a plain picture has a spread of exactly nothing.
    variance: Numbers = (squares * pixels - total * total) / pixels**2
    return np.sqrt(variance) / 255
