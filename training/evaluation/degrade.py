"""What goes wrong with photos on the road, each at one stated strength.

The picture as the image gate hands it on gets back the proportions of the upload, at the gate's working size; there it
is made worse, as the photo would have been, and goes through the rest of the gate again. Strengths are shares of the
picture, so a thumbnail and a photo suffer alike. The same picture always comes out the same.
"""

import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from training.data.pictures import decoded
from vehiclevision.image_gate import WORKING_SIDE, encode, model_input

JPEG_QUALITY: Final = 20
ROTATION_DEGREES: Final = 10

Light: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Degradation:
    """One way in which a picture gets worse, and how far."""

    strength: str
    apply: Callable[[Image.Image], Image.Image]


def degraded(name: str, file: bytes, shape: tuple[int, int] | None = None) -> bytes:
    """What the gate would hand on, had the photo been that bad; `shape` is the upload's width and height."""
    image = at_working_size(Image.fromarray(decoded(file)), shape)
    return encode(model_input(DEGRADATIONS[name].apply(image)))


def at_working_size(image: Image.Image, shape: tuple[int, int] | None = None) -> Image.Image:
    """The picture, in these proportions or its own, with its longer side at the working size; the shorter one stays at
    least two pixels."""
    width, height = shape or image.size
    factor = WORKING_SIDE / max(width, height)
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def dark(image: Image.Image) -> Image.Image:
    """An underexposed picture."""
    return _from_light(_light(image) * 0.3)


def night(image: Image.Image) -> Image.Image:
    """Little light, the yellow of street lamps, and the noise of a sensor that is turned up."""
    grain = _draw(image).normal(0, 14 / 255, (image.height, image.width, 3))
    return _from_light(_light(image) * 0.22 * np.array([1.15, 0.95, 0.6]) + grain)


def glare(image: Image.Image) -> Image.Image:
    """The sun in the upper right corner, and its veil over everything."""
    y, x = np.mgrid[0 : image.height, 0 : image.width]
    distance = np.hypot(x / image.width - 0.75, y / image.height - 0.2)
    veil = 0.2 + 0.75 * np.exp(-((distance / 0.25) ** 2))[..., np.newaxis]
    return _from_light(_light(image) * (1 - veil) + veil)


def haze(image: Image.Image) -> Image.Image:
    """Fog or a dirty lens: all colours drawn towards light grey."""
    return _from_light(_light(image) * 0.35 + 0.65 * 0.8)


def blur(image: Image.Image) -> Image.Image:
    """Out of focus, or moved."""
    return image.filter(ImageFilter.GaussianBlur(0.02 * max(image.size)))


def noise(image: Image.Image) -> Image.Image:
    """The grain of a small sensor."""
    return _from_light(_light(image) + _draw(image).normal(0, 25 / 255, (image.height, image.width, 3)))


def of_pixels(longer_side: int) -> Callable[[Image.Image], Image.Image]:
    """A picture that was shrunk to a preview before it was sent."""

    def shrunk(image: Image.Image) -> Image.Image:
        factor = longer_side / max(image.size)
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        return image.resize(size, Image.Resampling.BICUBIC)

    return shrunk


def blocks(image: Image.Image) -> Image.Image:
    """A preview that was made large again before it was sent, each of its pixels a block."""
    return of_pixels(64)(image).resize(image.size, Image.Resampling.NEAREST)


def jpeg(image: Image.Image) -> Image.Image:
    """Saved far too small, as messengers do."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    with Image.open(buffer, formats=["JPEG"]) as read:
        return read.convert("RGB")


def rotation(image: Image.Image) -> Image.Image:
    """A tilted camera: to one side or the other, with what lies beyond the edges mirrored in."""
    angle = ROTATION_DEGREES if _draw(image).random() < 0.5 else -ROTATION_DEGREES
    margins = (image.height // 3, image.width // 3)
    padded = np.pad(np.asarray(image), ((margins[0],) * 2, (margins[1],) * 2, (0, 0)), mode="symmetric")
    turned = Image.fromarray(padded).rotate(angle, Image.Resampling.BICUBIC)
    return turned.crop((margins[1], margins[0], margins[1] + image.width, margins[0] + image.height))


def crop(image: Image.Image) -> Image.Image:
    """A hasty picture: a third of its width is missing at one side."""
    lost = image.width // 3
    left = lost if _draw(image).random() < 0.5 else 0
    return image.crop((left, 0, left + image.width - lost, image.height))


def post(image: Image.Image) -> Image.Image:
    """Something dark and narrow in front of the vehicle, somewhere in the middle."""
    left = round((0.3 + 0.2 * _draw(image).random()) * image.width)
    page = image.copy()
    page.paste((60, 60, 60), (left, 0, left + max(1, image.width // 5), image.height))
    return page


def mirrored(image: Image.Image) -> Image.Image:
    """The vehicle's other side."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def small_object(image: Image.Image) -> Image.Image:
    """A vehicle far away: the picture at half its size in the middle of a blurred copy of itself."""
    page = image.filter(ImageFilter.GaussianBlur(0.15 * max(image.size)))
    small = image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BICUBIC)
    page.paste(small, ((image.width - small.width) // 2, (image.height - small.height) // 2))
    return page


DEGRADATIONS: Final[Mapping[str, Degradation]] = {
    "dark": Degradation("30 % of the light", dark),
    "night": Degradation("22 % of the light, yellow cast, noise of 14 levels", night),
    "glare": Degradation("sun in a corner, veil of 20 to 95 %", glare),
    "haze": Degradation("65 % light grey", haze),
    "blur": Degradation("Gaussian, 2 % of the longer side", blur),
    "noise": Degradation("25 levels", noise),
    "jpeg": Degradation(f"quality {JPEG_QUALITY} at {WORKING_SIDE} pixels", jpeg),
    "100 pixels": Degradation("the longer side, shrunk", of_pixels(100)),
    "64 pixels": Degradation("the longer side, shrunk", of_pixels(64)),
    "blocks": Degradation("64 pixels, each enlarged to a block", blocks),
    "rotation": Degradation(f"{ROTATION_DEGREES}° to one side", rotation),
    "crop": Degradation("a third of the width missing", crop),
    "behind a post": Degradation("a fifth of the width hidden", post),
    "mirrored": Degradation("left and right swapped", mirrored),
    "small object": Degradation("half the size, on a blurred copy", small_object),
}


def _light(image: Image.Image) -> Light:
    """The picture as shares of full light, as a screen shows it."""
    return np.asarray(image, dtype=np.float64) / 255


def _from_light(light: Light) -> Image.Image:
    return Image.fromarray((np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8))


def _draw(image: Image.Image) -> np.random.Generator:
    """Chance that depends on the picture alone."""
    return np.random.default_rng(zlib.crc32(image.tobytes()))
