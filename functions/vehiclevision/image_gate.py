"""The only way in for a picture: whatever was uploaded leaves as a small clean JPEG, or as a refusal with a reason.

vehiclevision.segments walks the file first and writes it anew, so that a decoder sees its pixels and nothing else. The
limits are what held over hostile files (docs/decisions/0003-image-gate.md), and only re-encoded pixels go on.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from PIL import Image, ImageFilter, ImageStat

from vehiclevision import boxes, segments
from vehiclevision.boxes import CleanTiles
from vehiclevision.errors import InvalidImageError, Reason
from vehiclevision.labels import MODEL_INPUT_SIDE, either
from vehiclevision.segments import CleanFile, damaged

# Every picture is first made at most this large: twice the model's side and more, so that squashing never blurs it.
WORKING_SIDE: Final = 512
# Measurements are taken on a picture of about this size, so that they compare between a thumbnail and a 16 MP photo.
MEASURED_SIDE: Final = 256

# 64 KiB in base64. At the first quality an ordinary photo takes about 20 KB; the others are for what is mostly noise.
MAX_JPEG_BYTES: Final = 48 * 1024
JPEG_QUALITIES: Final = (95, 85, 70, 50, 30)

# How GIF, TIFF and most raw photos, BMP, JPEG 2000, JPEG XL and Photoshop files begin.
_OTHER_PICTURES: Final = (
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cJXL ",
    b"\xff\x0a",
    b"8BPS",
)
TAKEN: Final = ("JPEG", "HEIC", "PNG", "WebP", "AVIF")
_SEND_ONE: Final = f"send a {either(TAKEN)} file"
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
PICTURE_SHA256: Final = "picture_sha256"
Opener = Callable[[bytes, str], Image.Image]
_LAPLACIAN: Final = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=4, offset=128)


@dataclass(frozen=True)
class Limits:
    """How large and how odd a file may be; docs/decisions/0003-image-gate.md has what was measured for each."""

    max_bytes: int = 16 * 1024 * 1024
    max_pixels: int = 50_000_000
    # Decoded at full size before it is shrunk: PNG, WebP. A JPEG is decoded at a quarter of its sides or less.
    max_pixels_at_full_size: int = 16_000_000
    max_pixels_with_many_tables: int = 8_000_000
    max_side_pixels: int = 10_000
    min_side_pixels: int = 16
    max_aspect: float = 20.0
    max_jpeg_scans: int = 64
    max_jpeg_blocks_visited: int = 10_000_000
    max_jpeg_coefficient_bytes: int = 100_000_000


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
        """The measurements as plain JSON, and the hash under which captures and reviewed pictures have this picture."""
        return asdict(self.measurements) | {PICTURE_SHA256: hashlib.sha256(self.jpeg).hexdigest()}


@dataclass(frozen=True)
class DecodedImage:
    """The whole picture upright in RGB, at most WORKING_SIDE pixels a side, and what the file said of itself."""

    working: Image.Image
    width: int
    height: int
    format: str


def normalise(data: bytes, limits: Limits = Limits()) -> NormalisedImage:
    """Turn an uploaded file into the model's input, or raise InvalidImageError with a reason."""
    decoded = decode(data, limits)
    light = _light(decoded.working)
    return NormalisedImage(
        jpeg=encode(model_input(decoded.working)),
        measurements=Measurements(decoded.width, decoded.height, len(data), decoded.format, *light),
    )


def decode(data: bytes, limits: Limits = Limits()) -> DecodedImage:
    """Read an uploaded file within the limits, or raise InvalidImageError with a reason."""
    clean = _clean(data, limits)
    opened = _heic_opener() if clean.format == "HEIC" else _opened
    try:
        working = _tiles(clean, opened) if isinstance(clean, CleanTiles) else _whole(clean)
    except (InvalidImageError, MemoryError):
        raise
    except Exception as exc:
        # Decoders fed with hostile bytes raise whatever they like; each of them means the same to the sender.
        raise damaged() from exc
    width, height = clean.width, clean.height
    for orientation in clean.turns:
        turn = _TRANSPOSE.get(orientation)
        if turn is not None:
            working = working.transpose(turn)
        if turn in _SWAPS_SIDES:
            width, height = height, width
    return DecodedImage(working, width, height, clean.format)


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


def _clean(data: bytes, limits: Limits) -> CleanFile | CleanTiles:
    """The file written anew with nothing but its picture, if its header is within the limits.

    Its first bytes say what it is; its name and Content-Type are never asked.
    """
    if not data:
        raise InvalidImageError(Reason.EMPTY, "the file has no content; upload it again")
    if len(data) > limits.max_bytes:
        raise InvalidImageError(Reason.TOO_MANY_BYTES, f"send at most {limits.max_bytes // 1024**2} MiB")
    clean: CleanFile | CleanTiles
    if data.startswith(b"\xff\xd8\xff"):
        clean = segments.jpeg(data, limits.max_jpeg_scans)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        clean = segments.png(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        clean = segments.webp(data)
    elif boxes.is_heif(data):
        clean = boxes.heif(data)
    elif data.startswith(_OTHER_PICTURES):
        raise InvalidImageError(Reason.UNSUPPORTED_FORMAT, f"{_SEND_ONE}; export it as one of them")
    else:
        raise InvalidImageError(Reason.NOT_AN_IMAGE, _SEND_ONE)
    _check_size(clean, limits)
    return clean


def _check_size(clean: CleanFile | CleanTiles, limits: Limits) -> None:
    short, long = sorted((clean.width, clean.height))
    if long > limits.max_side_pixels:
        raise InvalidImageError(Reason.SIDE_TOO_LONG, f"shrink it to {limits.max_side_pixels} pixels a side")
    if short < limits.min_side_pixels:
        raise InvalidImageError(Reason.SIDE_TOO_SHORT, f"send at least {limits.min_side_pixels} pixels a side")
    if long / short > limits.max_aspect:
        raise InvalidImageError(Reason.TOO_ELONGATED, "crop it to the vehicle")
    if isinstance(clean, CleanTiles):
        in_one_piece = max(clean.tile_width * clean.tile_height, short * long // clean.reduction(2 * WORKING_SIDE) ** 2)
        max_pixels = (
            limits.max_pixels if in_one_piece <= limits.max_pixels_at_full_size else limits.max_pixels_at_full_size
        )
    elif clean.format == "JPEG":
        max_pixels = limits.max_pixels
        if clean.coefficient_bytes > limits.max_jpeg_coefficient_bytes:
            raise InvalidImageError(Reason.TOO_MANY_PIXELS, "save the JPEG without progressive encoding, or shrink it")
        if clean.blocks_visited > limits.max_jpeg_blocks_visited:
            raise InvalidImageError(Reason.TOO_MANY_SCANS, "save the JPEG again without progressive encoding")
    else:
        max_pixels = limits.max_pixels_with_many_tables if clean.many_tables else limits.max_pixels_at_full_size
    if short * long > max_pixels:
        better = "" if clean.format == "JPEG" else ", or save it as JPEG"
        raise InvalidImageError(Reason.TOO_MANY_PIXELS, f"shrink it to {max_pixels // 1_000_000} megapixels{better}")


def _whole(clean: CleanFile) -> Image.Image:
    """A picture that lies in one piece; a JPEG is decoded at an eighth to the whole of its sides, as is enough."""
    with _opened(clean.data, clean.format) as image:
        if image.size != (clean.width, clean.height):
            raise damaged()
        image.draft(image.mode, (2 * WORKING_SIDE, 2 * WORKING_SIDE))
        image.load()
        return _flatten(_shrink(image))


def _tiles(clean: CleanTiles, opened: Opener) -> Image.Image:
    """A picture that lies in tiles, each decoded and shrunk by itself."""
    reduction = clean.reduction(2 * WORKING_SIDE)
    whole = _assembled(clean, opened, "RGB", reduction)
    if clean.alpha is not None:
        whole.putalpha(_assembled(clean.alpha, opened, "L", reduction))
    return _flatten(_shrink(whole))


def _assembled(clean: CleanTiles, opened: Opener, mode: str, reduction: int) -> Image.Image:
    page = Image.new(mode, (-(-clean.width // reduction), -(-clean.height // reduction)))
    for number, tile in enumerate(clean.tiles):
        with opened(tile.file(), clean.format) as image:
            if image.size != (clean.tile_width, clean.tile_height):
                raise damaged()
            part = image.convert(mode)
        row, column = divmod(number, clean.columns)
        if len(clean.tiles) == 1 and reduction == 1:
            return part
        corner = column * clean.tile_width // reduction, row * clean.tile_height // reduction
        page.paste(part.reduce(reduction) if reduction > 1 else part, corner)
    return page


def _opened(data: bytes, file_format: str) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=[file_format])


def _heic_opener() -> Opener:
    """What opens a HEIC; imported only where there is one, and a missing package is no fault of the file."""
    import pi_heif  # noqa: PLC0415

    pi_heif.options.DECODE_THREADS = 1

    def opened(data: bytes, _format: str) -> Image.Image:
        picture: Image.Image = pi_heif.open_heif(data, convert_hdr_to_8bit=True).to_pillow()
        return picture

    return opened


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
