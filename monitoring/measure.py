"""What is measured on a picture: light, colour and size, on a small square so that whatever was captured compares.

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
from vehiclevision.image_gate import Limits, decode, encode, model_input
from vehiclevision.labels import MODEL_INPUT_SIDE

Numbers = npt.NDArray[np.float64]
Pictures = npt.NDArray[np.uint8]

MEASURES: Final = ("brightness", "contrast", "sharpness", "saturation", "warmth", "pixels")

# What an endpoint accepted may be smaller than what this application lets in.
LIMITS: Final = Limits(min_side_pixels=1)
# Releases before 224 pixels sent the endpoint just so many: measured on this square, their captures and ours agree.
MEASURED_SIDE: Final = 32
EARLIER_PIXELS: Final = 32 * 32


@dataclass(frozen=True)
class Seen:
    """A captured picture, decoded: what is measured of it, the whole of it upright, and its size as captured."""

    small: Pictures
    working: Image.Image
    width: int
    height: int
    digest: str

    def as_model_sees_it(self) -> bytes:
        """The model's input as a JPEG."""
        return encode(model_input(self.working))

    def to_show(self) -> bytes:
        """A JPEG in the picture's own shape, no larger than the model's input."""
        shown = self.working.copy()
        shown.thumbnail((MODEL_INPUT_SIDE, MODEL_INPUT_SIDE), Image.Resampling.BICUBIC)
        return encode(shown)


def see(picture: bytes) -> Seen | None:
    """Decode a captured picture within the gate's limits; None when it cannot be."""
    try:
        decoded = decode(picture, LIMITS)
    except InvalidImageError:
        return None
    digest = hashlib.sha256(picture).hexdigest()
    return Seen(measured_square(decoded.working), decoded.working, decoded.width, decoded.height, digest)


def measured_square(image: Image.Image) -> Pictures:
    """The small square of an RGB picture on which it is measured."""
    square = (MEASURED_SIDE, MEASURED_SIDE)
    return np.asarray(image if image.size == square else image.resize(square, Image.Resampling.BICUBIC), np.uint8)


def measure(pictures: Sequence[Seen]) -> dict[str, Numbers]:
    """All measures of decoded pictures; `pixels` is that of the picture as captured."""
    if not pictures:
        return {name: np.empty(0) for name in MEASURES}
    sizes = np.array([picture.width * picture.height for picture in pictures], np.float64)
    return measure_arrays(np.stack([picture.small for picture in pictures]), sizes)


def measure_pixels(pictures: Pictures) -> dict[str, Numbers]:
    """All measures of RGB pictures [n, height, width, 3] as they would be captured."""
    if not len(pictures):
        return measure([])
    count, height, width, _ = pictures.shape
    small = np.stack([measured_square(Image.fromarray(picture)) for picture in pictures])
    return measure_arrays(small, np.full(count, height * width, np.float64))


def is_earlier(pixels: Numbers) -> npt.NDArray[np.bool_]:
    """Whether pictures of these measured sizes are such as earlier releases sent to the endpoint."""
    earlier: npt.NDArray[np.bool_] = np.isclose(pixels, np.log10(EARLIER_PIXELS), atol=1e-4)
    return earlier


def measure_arrays(pictures: Pictures, sizes: Numbers | None = None) -> dict[str, Numbers]:
    """All measures of RGB pictures [n, height, width, 3]; `sizes` are their numbers of pixels when they were larger."""
    count, height, width, _ = pictures.shape
    channels = np.ascontiguousarray(pictures.transpose(3, 0, 1, 2))
    # Pillow's own grey and Laplacian, in whole numbers: they must agree with the gate's to the last digit.
    red, green, blue = channels.astype(np.int32)
    grey = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    edges = np.clip((around - 4 * grey[:, 1:-1, 1:-1] + 514) >> 2, 0, 255)
    measured = {
        "brightness": _mean(grey),
        "contrast": _spread(grey),
        "sharpness": _spread(edges),
        "saturation": _mean(channels.max(axis=0)) - _mean(channels.min(axis=0)),
        "warmth": _mean(channels[0]) - _mean(channels[2]),
        "pixels": np.log10(np.full(count, height * width, np.float64) if sizes is None else sizes),
    }
    return {name: measured[name] for name in MEASURES}


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
