"""The only way in for a picture: whatever was uploaded leaves as a small clean JPEG, or as a refusal with a reason.

The limits are what held over 1,181 hostile files (docs/decisions/0003-image-gate.md). A header is judged before
anything is decoded, only three decoders can ever run, and only re-encoded pixels go on: no metadata, no trailing data.
"""

import io
import struct
from dataclasses import asdict, dataclass
from typing import Final

from PIL import Image, ImageFilter, ImageStat

from vehiclevision.errors import InvalidImageError, Reason
from vehiclevision.labels import MODEL_INPUT_SIDE

# Every picture is first made at most this large: twice the model's side and more, so that squashing never blurs it.
WORKING_SIDE: Final = 512
# Measurements are taken on a picture of about this size, so that they compare between a thumbnail and a 16 MP photo.
MEASURED_SIDE: Final = 256

# 64 KiB in base64. At the first quality an ordinary photo takes about 20 KB; the others are for what is mostly noise.
MAX_JPEG_BYTES: Final = 48 * 1024
JPEG_QUALITIES: Final = (95, 85, 70, 50, 30)

_MAGIC: Final = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"RIFF", "WEBP"))
_ORIENTATION_TAG: Final = 0x0112
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES: Final = frozenset(turn for tag, turn in _TRANSPOSE.items() if tag >= 5)
_LAPLACIAN: Final = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=4, offset=128)


@dataclass(frozen=True)
class Limits:
    """How large and how odd a file may be."""

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 16_000_000
    max_side_pixels: int = 10_000
    min_side_pixels: int = 16
    max_aspect: float = 20.0
    max_jpeg_scans: int = 64


@dataclass(frozen=True)
class Measurements:
    """What monitoring later compares; the floats lie in 0..1."""

    width: int
    height: int
    bytes: int
    format: str
    brightness: float
    contrast: float
    sharpness: float


@dataclass(frozen=True)
class NormalisedImage:
    """The picture as the model sees it, and what was measured on the way."""

    jpeg: bytes
    measurements: Measurements

    def measured(self) -> dict[str, int | float | str]:
        """The measurements as plain JSON."""
        return asdict(self.measurements)


@dataclass(frozen=True)
class DecodedImage:
    """The whole picture upright in RGB, at most WORKING_SIDE pixels a side, and what the file said of itself."""

    working: Image.Image
    width: int
    height: int
    format: str


def normalise(data: bytes, limits: Limits = Limits()) -> NormalisedImage:
    """Turn an uploaded file into the model's input, or raise InvalidImageError with a reason."""
    found = decode(data, limits)
    light = _light(found.working)
    return NormalisedImage(
        jpeg=encode(model_input(found.working)),
        measurements=Measurements(found.width, found.height, len(data), found.format, *light),
    )


def decode(data: bytes, limits: Limits = Limits()) -> DecodedImage:
    """Read an uploaded file within the limits, or raise InvalidImageError with a reason."""
    file_format = _recognise(data, limits)
    try:
        with Image.open(io.BytesIO(data), formats=[file_format]) as image:
            width, height = image.size
            _check_size(width, height, limits)
            if file_format != "JPEG" and getattr(image, "n_frames", 1) > 1:
                # A JPEG may carry a depth map or a second view (MPO): its first frame is the photo.
                raise InvalidImageError(Reason.ANIMATED, "send a single picture, not an animation")
            image.draft(image.mode, (2 * WORKING_SIDE, 2 * WORKING_SIDE))
            image.load()  # before the EXIF block is read, which would swallow a damaged picture
            turn = _turn(image)
            working = _flatten(_shrink(image))
    except InvalidImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise InvalidImageError(Reason.TOO_MANY_PIXELS, _at_most(limits)) from exc
    except Exception as exc:
        # Decoders fed with hostile bytes raise whatever they like; each of them means the same to the sender.
        raise InvalidImageError(Reason.CANNOT_DECODE, "the file is damaged; export or photograph it again") from exc
    if turn is not None:
        working = working.transpose(turn)
    if turn in _SWAPS_SIDES:
        width, height = height, width
    return DecodedImage(working, width, height, file_format)


def model_input(working: Image.Image) -> Image.Image:
    """The whole picture, squashed to the model's square."""
    side = MODEL_INPUT_SIDE
    return working if working.size == (side, side) else working.resize((side, side), Image.Resampling.BICUBIC)


def encode(small: Image.Image) -> bytes:
    """An RGB picture of the model's size as a JPEG without metadata, at the best quality that fits."""
    pixels = Image.frombytes("RGB", small.size, small.tobytes())
    for quality in JPEG_QUALITIES:
        buffer = io.BytesIO()
        pixels.save(buffer, format="JPEG", quality=quality)
        if buffer.tell() <= MAX_JPEG_BYTES:
            break
    return buffer.getvalue()


def _recognise(data: bytes, limits: Limits) -> str:
    """The decoder that the first bytes call for; the file's name and Content-Type are never asked."""
    if not data:
        raise InvalidImageError(Reason.EMPTY, "the file has no content; upload it again")
    if len(data) > limits.max_bytes:
        raise InvalidImageError(Reason.TOO_MANY_BYTES, f"send at most {limits.max_bytes // 1024**2} MiB")
    for magic, file_format in _MAGIC:
        if data.startswith(magic) and (file_format != "WEBP" or data[8:12] == b"WEBP"):
            break
    else:
        raise InvalidImageError(Reason.NOT_AN_IMAGE, "send a JPEG, PNG or WebP file")
    if file_format == "WEBP":
        # Pillow's WebP decoder allocates the whole canvas on open, so this header is read first.
        _check_size(*_webp_size(data), limits)
    if file_format == "JPEG" and data.count(b"\xff\xda") > limits.max_jpeg_scans:
        raise InvalidImageError(Reason.TOO_MANY_SCANS, "save the JPEG again without progressive encoding")
    return file_format


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk of a WebP file (RFC 9649)."""
    try:
        kind, body = data[12:16], data[20:30]
        if kind == b"VP8X":
            return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
        if kind == b"VP8L":
            (bits,) = struct.unpack("<I", body[1:5])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if kind == b"VP8 ":
            width, height = struct.unpack("<HH", body[6:10])
            return width & 0x3FFF, height & 0x3FFF
    except struct.error as exc:
        raise InvalidImageError(Reason.CANNOT_DECODE, "the WebP file ends too early; upload it again") from exc
    raise InvalidImageError(Reason.CANNOT_DECODE, "the WebP file has no picture in it; upload it again")


def _check_size(width: int, height: int, limits: Limits) -> None:
    short, long = sorted((width, height))
    if long > limits.max_side_pixels:
        raise InvalidImageError(Reason.SIDE_TOO_LONG, f"shrink it to {limits.max_side_pixels} pixels a side")
    if width * height > limits.max_pixels:
        raise InvalidImageError(Reason.TOO_MANY_PIXELS, _at_most(limits))
    if short < limits.min_side_pixels:
        raise InvalidImageError(Reason.SIDE_TOO_SHORT, f"send at least {limits.min_side_pixels} pixels a side")
    if long / short > limits.max_aspect:
        raise InvalidImageError(Reason.TOO_ELONGATED, "crop it to the vehicle")


def _at_most(limits: Limits) -> str:
    return f"shrink it to {limits.max_pixels // 1_000_000} megapixels"


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What puts the picture upright; a damaged EXIF block counts as none, as it does in every viewer."""
    try:
        return _TRANSPOSE.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error):
        return None


def _shrink(image: Image.Image) -> Image.Image:
    """At most WORKING_SIDE pixels a side, in RGB, RGBA, L or I (16-bit grey)."""
    if image.mode.startswith("I"):
        image = image.convert("I")
    elif image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "RGBA", "L"):
        image = image.convert("RGB")
    factor = max(image.size) / WORKING_SIDE
    if factor <= 1:
        return image
    size = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _flatten(image: Image.Image) -> Image.Image:
    """RGB; what was transparent becomes white, as on a page."""
    if image.mode == "I":
        # Pillow's own conversion from 16 to 8 bits clips instead of scaling.
        image = image.point(lambda level: level * (1 / 257) + 0.5).convert("L")
    if image.mode != "RGBA":
        return image.convert("RGB")
    page = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(page, image).convert("RGB")


def _light(working: Image.Image) -> tuple[float, float, float]:
    """Brightness, contrast and sharpness: mean and spread of the grey levels, spread of their Laplacian."""
    grey = working.convert("L")
    grey.thumbnail((MEASURED_SIDE, MEASURED_SIDE), Image.Resampling.BICUBIC)
    inner = (1, 1, grey.width - 1, grey.height - 1)  # Pillow leaves the outermost pixels unfiltered
    levels, edges = ImageStat.Stat(grey), ImageStat.Stat(grey.filter(_LAPLACIAN).crop(inner))
    return round(levels.mean[0] / 255, 4), round(levels.stddev[0] / 255, 4), round(edges.stddev[0] / 255, 4)
