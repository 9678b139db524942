"""Pictures for the tests, made on the spot."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = (250, 20, 20), (20, 200, 20), (20, 20, 250), (240, 240, 20)


def quarters(side: int = 64) -> Image.Image:
    """Four coloured quarters, which show how a picture was turned."""
    image = Image.new("RGB", (side, side))
    half = side // 2
    for corner, colour in (
        ((0, 0), TOP_LEFT),
        ((half, 0), TOP_RIGHT),
        ((0, half), BOTTOM_LEFT),
        ((half, half), BOTTOM_RIGHT),
    ):
        image.paste(colour, (*corner, corner[0] + half, corner[1] + half))
    return image


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, format=file_format, **options)
    return buffer.getvalue()


def corners(png: bytes) -> list[tuple[int, int, int]]:
    """The colours in the four quarters of a PNG: top left, top right, bottom left, bottom right."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    near, far = image.width // 4, image.width * 3 // 4
    return [image.getpixel(at) for at in ((near, near), (far, near), (near, far), (far, far))]  # type: ignore[misc]


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and holds next to none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def webp_canvas(width: int, height: int) -> bytes:
    """A WebP of 34 bytes that promises a canvas of this size."""
    canvas = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + b"ALPH"
    return b"RIFF" + struct.pack("<I", len(body)) + body
