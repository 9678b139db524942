"""HEIC and AVIF files for the tests: coded pictures put into grids, turned, made transparent, or made to mislead."""

import functools
import struct
from dataclasses import dataclass, field
from typing import Final

import pillow_heif
from PIL import Image

from tests.unit.pictures import encoded
from vehiclevision.boxes import Tile, heif

# By the name under which they are recorded, what Pillow calls them.
FORMATS: Final = {"HEIC": "HEIF", "AVIF": "AVIF"}
GRID: Final = b"grid"
ALPHA: Final = bytes(4) + b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"


def box(kind: bytes, body: bytes) -> bytes:
    """One box."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


@functools.cache
def _registered() -> None:
    pillow_heif.register_heif_opener()


def coded(picture: Image.Image, file_format: str) -> Tile:
    """A picture as HEVC ("HEIF") or AV1 ("AVIF") codes it, with what its decoder needs."""
    _registered()
    return heif(encoded(picture, file_format, quality=90)).tiles[0]


@dataclass
class Item:
    """One item of a file: what it is, what it consists of, and what it refers to."""

    kind: bytes
    content: bytes
    properties: tuple[bytes, ...] = ()
    references: dict[bytes, list[int]] = field(default_factory=dict)


def picture_item(tile: Tile, *more: bytes) -> Item:
    """A coded picture as an item."""
    return Item(tile.kind, tile.coded, (*tile.properties, *more))


def grid_item(rows: int, columns: int, size: tuple[int, int], tiles: list[int], *more: bytes) -> Item:
    """A picture put together from the items with these numbers."""
    content = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    return Item(GRID, content, (box(b"ispe", struct.pack(">III", 0, *size)), *more), {b"dimg": tiles})


def turned(quarters: int) -> bytes:
    """The property that turns a picture anticlockwise."""
    return box(b"irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    """The property that exchanges top and bottom (0) or left and right (1)."""
    return box(b"imir", bytes([axis]))


def file_of(items: list[Item], primary: int = 1, brand: bytes = b"heic", extra: bytes = b"") -> bytes:
    """A file of these items, numbered from 1; where they lie is written in 64 bits, as some phones do."""
    properties: list[bytes] = []
    associations = references = entries = b""
    for number, item in enumerate(items, 1):
        entries += box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, item.kind) + b"\0")
        first = len(properties) + 1
        properties += item.properties
        indices = range(first, first + len(item.properties))
        associations += struct.pack(f">HB{len(indices)}H", number, len(indices), *indices)
        for kind, others in item.references.items():
            body = struct.pack(f">HH{len(others)}H", number, len(others), *others)
            references += box(kind, body)
    description = (
        box(b"hdlr", bytes(8) + b"pict" + bytes(13))
        + box(b"pitm", bytes(4) + struct.pack(">H", primary))
        + box(b"iinf", bytes(4) + struct.pack(">H", len(items)) + entries)
        + box(b"iref", bytes(4) + references)
        + box(
            b"iprp", box(b"ipco", b"".join(properties)) + box(b"ipma", struct.pack(">II", 1, len(items)) + associations)
        )
        + extra
    )
    beginning = box(b"ftyp", brand + bytes(4) + brand + b"mif1")
    at = len(beginning) + 12 + len(description) + 16 + 18 * len(items) + 8
    locations = b""
    for number, item in enumerate(items, 1):
        locations += struct.pack(">HHHQI", number, 0, 1, at, len(item.content))
        at += len(item.content)
    locations = box(b"iloc", bytes(4) + struct.pack(">HH", 0x8400, len(items)) + locations)
    meta = box(b"meta", bytes(4) + description + locations)
    return beginning + meta + box(b"mdat", b"".join(item.content for item in items))
