"""Walks an uploaded JPEG, PNG or WebP before any decoder does, and writes it anew with nothing but its picture.

What a decoder is then given holds pixels, the tables and palettes that they need, and no metadata: no EXIF, no profile,
no comment, no second picture, nothing after the end. Each loop is bounded, and what is long is searched in C.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from vehiclevision.errors import InvalidImageError, Reason

# A phone's photo with a depth map in extended XMP has some 200; a PNG of 16 MiB written in pieces of 8 KiB 2,000.
MAX_SEGMENTS: Final = 20_000
# Two quantisation tables and four Huffman tables take 600 bytes; sixty scans, each with tables of its own, 20 KiB.
MAX_JPEG_TABLE_BYTES: Final = 128 * 1024
_MAX_EXIF_BYTES: Final = 64 * 1024
_MAX_EXIF_ENTRIES: Final = 512

# A marker other than a restart; 0xFF before 0x00 is a byte of pixels, before 0xFF a filler. The search is linear.
_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _TEM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0x01
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES: Final = frozenset({_BASELINE, _EXTENDED, _PROGRESSIVE})
_OTHER_FRAMES: Final = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
_JFIF: Final = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"


@dataclass(frozen=True)
class CleanFile:
    """A file written anew: its size in pixels as stored, and the EXIF orientation, 1 to 8, that puts it upright."""

    format: str
    data: bytes
    width: int
    height: int
    orientation: int = 1
    # What a decoder must keep of a JPEG at once, and how many blocks of 64 coefficients it goes through in all.
    coefficient_bytes: int = 0
    blocks_visited: int = 0
    # A WebP whose pixels or transparency are packed without loss: up to 65,536 sets of Huffman tables go with it.
    many_tables: bool = False

    @property
    def turns(self) -> tuple[int, ...]:
        """The EXIF orientations to apply, one after another."""
        return (self.orientation,)


def damaged(what: str = "the file is damaged") -> InvalidImageError:
    """What every walker raises where the bytes do not add up."""
    return InvalidImageError(Reason.CANNOT_DECODE, f"{what}; export or photograph it again")


def exif_orientation(exif: bytes) -> int:
    """The orientation in the first directory of an EXIF block, or 1 where there is none or the block is damaged."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"]
    if tiff[:4] == b"II*\0":
        order = "little"
    elif tiff[:4] == b"MM\0*":
        order = "big"
    else:
        return 1
    first = int.from_bytes(tiff[4:8], order)
    entries = min(int.from_bytes(tiff[first : first + 2], order), _MAX_EXIF_ENTRIES)
    for at in range(first + 2, min(first + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind = int.from_bytes(tiff[at : at + 2], order), int.from_bytes(tiff[at + 2 : at + 4], order)
        if tag == 0x0112 and kind in (3, 4):
            value = int.from_bytes(tiff[at + 8 : at + (10 if kind == 3 else 12)], order)
            return value if 1 <= value <= 8 else 1
    return 1


@dataclass(frozen=True)
class _Frame:
    """What a JPEG's start of frame says, and the number of 8 x 8 blocks in each component."""

    progressive: bool
    width: int
    height: int
    blocks: dict[int, int]


@dataclass
class _Jpeg:
    """What has been kept of a JPEG so far."""

    colour: dict[int, bytes] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    orientation: int = 0
    table_bytes: int = 0
    frame: _Frame | None = None
    scans: int = 0
    blocks_visited: int = 0
    is_one_scan: bool = False

    def keep(self, marker: int, body: bytes) -> None:
        """Keep a segment if the picture cannot be drawn without it."""
        if marker == _APP0 and body.startswith(b"JFIF\0"):
            self.colour[marker] = _segment(marker, _JFIF)
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= len(b"Adobe") + 7:
            self.colour[marker] = _segment(marker, body[:12])
        elif marker == _APP1 and not self.orientation and body.startswith(b"Exif\0\0"):
            self.orientation = exif_orientation(body)
        elif marker in (_DQT, _DHT, _DRI):
            self.table_bytes += len(body)
            if self.table_bytes > MAX_JPEG_TABLE_BYTES:
                raise damaged("the JPEG repeats its tables")
            self.parts.append(_segment(marker, body))
        elif marker in _FRAMES:
            if self.frame is not None:
                raise damaged("the JPEG has two frames")
            self.frame = _frame(marker, body)
            self.parts.append(_segment(marker, body))
        elif marker in _OTHER_FRAMES:
            raise InvalidImageError(Reason.UNSUPPORTED_FORMAT, "this kind of JPEG is rare; save it as an ordinary one")

    def keep_scan(self, header: bytes, pixels: memoryview) -> None:
        """Keep a scan, and count what going through it costs."""
        if self.frame is None:
            raise damaged("the JPEG has no frame")
        components = _components(header, self.frame)
        self.scans += 1
        self.blocks_visited += sum(self.frame.blocks[component] for component in components)
        self.is_one_scan = self.scans == 1 and not self.frame.progressive and len(components) == len(self.frame.blocks)
        self.parts += [_segment(_SOS, header), _without_fillers(pixels)]


def _without_fillers(pixels: memoryview) -> bytes:
    """One 0xFF of each row of them, long rows first. A regular expression would take fifty times the file's memory."""
    kept = bytes(pixels)
    for length in (4096, 64, 8):
        kept = kept.replace(b"\xff" * length, b"\xff")
    while b"\xff\xff" in kept:
        kept = kept.replace(b"\xff\xff", b"\xff")
    return kept


def jpeg(data: bytes, max_scans: int) -> CleanFile:
    """The first picture of a JPEG: frame, tables and scans; of what applications wrote only what tells its colours."""
    view = memoryview(data)
    kept = _Jpeg()
    at, marker = 2, 0
    for _ in range(MAX_SEGMENTS):
        begins = _MARKER.search(data, at)
        marker = data[begins.end() - 1] if begins else 0
        # Without an end, whether all of the picture is there is for the decoder to say.
        if not begins or marker == _EOI or kept.is_one_scan:
            break
        at = begins.end()
        if marker == _TEM:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if marker < _BASELINE or marker == _SOI or length < 2 or at + length > len(data):
            raise damaged()
        body = bytes(view[at + 2 : at + length])
        at += length
        if marker == _SOS:
            if kept.scans == max_scans:
                raise InvalidImageError(Reason.TOO_MANY_SCANS, "save the JPEG again without progressive encoding")
            ends = _MARKER.search(data, at)
            after = ends.start() if ends else len(data)
            kept.keep_scan(body, view[at:after])
            at = after
        else:
            kept.keep(marker, body)
    else:
        raise damaged("the JPEG consists of too many pieces")
    if kept.frame is None or not kept.scans:
        raise damaged("the JPEG has no picture in it")
    return CleanFile(
        format="JPEG",
        data=b"".join([b"\xff\xd8", *kept.colour.values(), *kept.parts, b"\xff\xd9" if marker else b""]),
        width=kept.frame.width,
        height=kept.frame.height,
        orientation=kept.orientation or 1,
        coefficient_bytes=0 if kept.is_one_scan else 128 * sum(kept.frame.blocks.values()),
        blocks_visited=kept.blocks_visited,
    )


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _frame(marker: int, body: bytes) -> _Frame:
    if len(body) < 6 or len(body) != 6 + 3 * body[5] or body[5] not in (1, 3, 4):
        raise damaged()
    precision, height, width = struct.unpack(">BHH", body[:5])
    components = [body[at : at + 3] for at in range(6, len(body), 3)]
    factors = [(sampling >> 4, sampling & 15) for _, sampling, _ in components]
    if not width or not height or not all(1 <= factor <= 4 for pair in factors for factor in pair):
        raise damaged()
    if precision != 8:
        raise InvalidImageError(Reason.UNSUPPORTED_FORMAT, "the JPEG has 12 bits a channel; save it as an ordinary one")
    widest, highest = (max(sides) for sides in zip(*factors, strict=True))
    # Rounded up to whole groups of blocks, as a decoder allocates them.
    across, down = -(-width // (8 * widest)), -(-height // (8 * highest))
    blocks = {
        identity: across * wide * down * high
        for (identity, _, _), (wide, high) in zip(components, factors, strict=True)
    }
    if len(blocks) != len(components):
        raise damaged()
    return _Frame(marker == _PROGRESSIVE, width, height, blocks)


def _components(body: bytes, frame: _Frame) -> list[int]:
    """The components that a scan goes through."""
    if not body or len(body) != 4 + 2 * body[0]:
        raise damaged()
    components = [body[at] for at in range(1, 1 + 2 * body[0], 2)]
    if not components or len(set(components)) != len(components) or not frame.blocks.keys() >= set(components):
        raise damaged()
    return components


def png(data: bytes) -> CleanFile:
    """A PNG's header, palette, transparency and pixels; gamma, profiles, texts and the rest are left out."""
    kept: dict[bytes, memoryview] = {}
    pixels: list[memoryview] = []
    orientation = 0
    for kind, body, checksum in _png_chunks(memoryview(data)):
        if kind == b"IDAT":
            pixels.append(body)
        elif kind == b"acTL" and int.from_bytes(body[:4], "big") > 1:
            raise InvalidImageError(Reason.ANIMATED, "send a single picture, not an animation")
        elif kind == b"eXIf" and not orientation:
            orientation = exif_orientation(bytes(body[:_MAX_EXIF_BYTES]))
        elif kind in (b"IHDR", b"PLTE", b"tRNS") and kind not in kept:
            if len(body) > 768 or zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
                raise damaged()
            kept[kind] = body
    if next(iter(kept), b"") != b"IHDR" or len(kept[b"IHDR"]) != 13 or not pixels:
        raise damaged("the PNG has no picture in it")
    width, height = struct.unpack(">II", kept[b"IHDR"][:8])
    if not width or not height:
        raise damaged()
    chunks = [_chunk(kind, body) for kind, body in kept.items()]
    clean = b"".join([data[:8], *chunks, _chunk(b"IDAT", b"".join(pixels)), _chunk(b"IEND", b"")])
    return CleanFile("PNG", clean, width, height, orientation or 1)


def _png_chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Kind, body and checksum of each chunk before the end, or before one without pixels that is cut short."""
    at = 8
    for _ in range(MAX_SEGMENTS):
        length, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        ends = at + 12 + length
        if ends > len(view):
            if kind == b"IDAT":
                raise damaged()
            return
        if kind == b"IEND":
            return
        yield kind, view[at + 8 : ends - 4], view[ends - 4 : ends]
        at = ends
    raise damaged("the PNG consists of too many pieces")


def _chunk(kind: bytes, body: bytes | memoryview) -> bytes:
    return b"".join([struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))])


def webp(data: bytes) -> CleanFile:
    """A WebP's one picture with its transparency (RFC 9649); the canvas is written anew."""
    alpha = picture = b""
    kind, orientation = b"", 0
    for name, body in _webp_chunks(memoryview(data)):
        if name == b"EXIF" and not orientation:
            orientation = exif_orientation(bytes(body[:_MAX_EXIF_BYTES]))
        elif name == b"ALPH" and not alpha and not picture:
            alpha = _riff(name, body)
        elif name in (b"VP8 ", b"VP8L") and not picture:
            kind, picture = name, _riff(name, body)
            width, height = _webp_size(name, body)
    if not picture:
        raise damaged("the WebP file has no picture in it")
    if alpha and kind == b"VP8 ":
        canvas = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        picture = _riff(b"VP8X", canvas) + alpha + picture
    clean = _riff(b"RIFF", b"WEBP" + picture)
    return CleanFile("WEBP", clean, width, height, orientation or 1, many_tables=bool(alpha) or kind == b"VP8L")


def _webp_chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Name and body of each chunk that is whole; of an animation, those of its one frame."""
    at, frames = 12, 0
    for _ in range(MAX_SEGMENTS):
        name, length = bytes(view[at : at + 4]), int.from_bytes(view[at + 4 : at + 8], "little")
        if at + 8 + length > len(view) or len(name) < 4:
            return
        if name == b"ANMF":
            frames += 1
            if frames > 1:
                raise InvalidImageError(Reason.ANIMATED, "send a single picture, not an animation")
            at += 8 + 16  # where on the canvas the frame is shown, and how long
            continue
        yield name, view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise damaged("the WebP file consists of too many pieces")


def _webp_size(kind: bytes, body: memoryview) -> tuple[int, int]:
    if kind == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(body) >= 10 and bytes(body[3:6]) == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        if width & 0x3FFF and height & 0x3FFF:
            return width & 0x3FFF, height & 0x3FFF
    raise damaged("the WebP file has no picture in it")


def _riff(kind: bytes, body: bytes | memoryview) -> bytes:
    return b"".join([kind, len(body).to_bytes(4, "little"), body, b"\0" * (len(body) % 2)])
