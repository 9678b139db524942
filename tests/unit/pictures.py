"""Pictures for the tests, made on the spot."""

import io
import random
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


def noise(side: int, seed: int = 7) -> Image.Image:
    """A picture in which every channel of every pixel is black or white by chance: what takes a JPEG the most bytes."""
    chance = random.Random(seed)  # noqa: S311 - pixels, not secrets
    return Image.frombytes("RGB", (side, side), bytes(255 * (byte & 1) for byte in chance.randbytes(3 * side**2)))


def corners(picture: bytes) -> list[tuple[int, int, int]]:
    """The colours in the four quarters of a picture: top left, top right, bottom left, bottom right."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    near, far = image.width // 4, image.width * 3 // 4
    return [image.getpixel(at) for at in ((near, near), (far, near), (near, far), (far, far))]  # type: ignore[misc]


def close(colours: list[tuple[int, int, int]], expected: list[tuple[int, int, int]], tolerance: int = 24) -> bool:
    """Whether no channel of any colour is off by more than the tolerance."""
    pairs = [pair for colour, other in zip(colours, expected, strict=True) for pair in zip(colour, other, strict=True)]
    return all(abs(level - other) <= tolerance for level, other in pairs)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and holds next to none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def webp_header(width: int, height: int) -> bytes:
    """A lossless WebP of 26 bytes that promises so many pixels."""
    body = b"WEBPVP8L" + struct.pack("<IBI", 5, 0x2F, (width - 1) | (height - 1) << 14) + b"\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def damaged(original: bytes, rng: random.Random, most: int) -> bytes:
    """The file with some bytes flipped, cut or doubled, at one to `most` places."""
    data = bytearray(original)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(data))
        data[at : at + rng.randint(0, 3)] = bytes(rng.randrange(256) for _ in range(rng.randint(0, 3)))
    return bytes(data)
