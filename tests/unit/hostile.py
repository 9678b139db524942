"""Files made to cost a reader far more than they weigh: small code for each, so that none lies in the repository."""

import struct
import zlib
from collections.abc import Callable
from typing import Final

from PIL import Image

from tests.unit.pictures import encoded, noise, quarters

MEBIBYTE: Final = 1024 * 1024
LARGEST: Final = 16 * MEBIBYTE


def _before_the_frame(filling: bytes, size: int = LARGEST) -> bytes:
    """A small JPEG, made almost as large as the gate takes, with a filling repeated right after its beginning."""
    photo = encoded(quarters(), "JPEG")
    return photo[:2] + filling * ((size - len(photo)) // len(filling)) + photo[2:]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _overlapping_exif(size: int) -> bytes:
    """An EXIF block whose entries all name the same bytes, nearly the whole block, as their value."""
    count = min(5_000, (size - 1_000) // 13)
    values = 8 + 2 + 12 * count + 4
    entries = b"".join(struct.pack("<HHII", 0x9000 + number, 7, size - values, values) for number in range(count))
    return (b"II*\0" + struct.pack("<IH", 8, count) + entries).ljust(size, b"\0")


def jpeg_of_scans(side: int, scans: int, sampling: int = 0) -> bytes:
    """A progressive JPEG of one colour whose last scan stands in it again and again."""
    photo = encoded(Image.new("RGB", (side, side), "teal"), "JPEG", progressive=True, subsampling=sampling)
    last = photo.rindex(b"\xff\xda")
    more = scans - photo.count(b"\xff\xda")
    return photo[:-2] + photo[last:-2] * more + photo[-2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_with(chunks: bytes, side: int = 64) -> bytes:
    """A small PNG with these chunks before its pixels."""
    photo = encoded(quarters(side), "PNG")
    at = photo.index(b"IDAT") - 4
    return photo[:at] + chunks + photo[at:]


def _png_in_pieces(size: int) -> bytes:
    """A PNG whose pixels come in pieces of so many bytes, as many as the gate's size allows."""
    photo = encoded(noise(64), "PNG")
    start = photo.index(b"IDAT") - 4
    (length,) = struct.unpack(">I", photo[start : start + 4])
    pixels = photo[start + 8 : start + 8 + length]
    pieces = [chunk(b"IDAT", pixels[at : at + size]) for at in range(0, length, size or length)] if size else []
    pieces = pieces or [chunk(b"IDAT", b"")] * ((LARGEST - len(photo)) // 12) + [chunk(b"IDAT", pixels)]
    return photo[:start] + b"".join(pieces) + photo[start + 12 + length :]


def _bomb(kind: bytes, before: bytes) -> bytes:
    """Chunks that each unpack to a little less than a mebibyte, the most that Pillow takes of one."""
    packed = chunk(kind, before + zlib.compress(bytes(MEBIBYTE - 1), 9))
    return packed * (LARGEST // len(packed) - 2)


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_with(chunks: bytes) -> bytes:
    """A small WebP with these chunks after its picture."""
    picture = encoded(quarters(), "WEBP")[12:]
    canvas = b"\x08\0\0\0" + (63).to_bytes(3, "little") * 2
    return _riff(b"RIFF", b"WEBP" + _riff(b"VP8X", canvas) + picture + chunks)


class _Bits:
    """Bits written the way VP8L wants them, the lowest first."""

    def __init__(self) -> None:
        self.value = 0
        self.length = 0
        self.done = bytearray()

    def write(self, value: int, length: int) -> None:
        self.value |= value << self.length
        self.length += length
        while self.length >= 8:
            self.done.append(self.value & 255)
            self.value >>= 8
            self.length -= 8

    def bytes(self) -> bytes:
        return bytes(self.done) + bytes([self.value & 255])


def webp_of_tables(side: int) -> bytes:
    """A lossless WebP with as many sets of Huffman tables as it can name, one for each block of 4 x 4 pixels."""
    bits = _Bits()
    bits.write(0x2F, 8)
    bits.write(side - 1, 14)
    bits.write(side - 1, 14)
    bits.write(0, 1 + 3)  # no transparency, version 0
    bits.write(0, 1)  # no transform
    bits.write(0, 1)  # no colour cache
    bits.write(1, 1)  # a picture of which tables each block uses
    bits.write(0, 3)  # blocks of 4 pixels
    bits.write(0, 1)  # no colour cache in that picture

    def of_one(symbol: int) -> None:
        bits.write(1, 1)  # simple
        bits.write(0, 1)  # one symbol
        bits.write(1, 1)  # of 8 bits
        bits.write(symbol, 8)

    def of_all(alphabet: int) -> None:
        """Each of 256 symbols 8 bits long; what is above, none."""
        bits.write(0, 1)
        order = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
        used = {8: 1, 18: 1} if alphabet > 256 else {8: 1, 0: 1}
        count = max(order.index(symbol) for symbol in used) + 1
        bits.write(count - 4, 4)
        for symbol in order[:count]:
            bits.write(used.get(symbol, 0), 3)
        bits.write(0, 1)  # as many lengths as the alphabet has
        for _ in range(256):
            bits.write(1 if alphabet <= 256 else 0, 1)  # codes by order of symbol: 0 before 8 before 18
        if alphabet > 256:
            bits.write(1, 1)
            bits.write(alphabet - 256 - 11, 7)

    reverse = [int(f"{number:08b}"[::-1], 2) for number in range(256)]
    of_all(280)  # green: the low half of a block's number
    of_all(256)  # red: the high half
    of_one(0)
    of_one(0)
    of_one(0)
    blocks = -(-side // 4)
    for block in range(blocks * blocks):
        number = block % 65_536
        bits.write(reverse[number & 255], 8)
        bits.write(reverse[number >> 8], 8)
    for _ in range(min(65_536, blocks * blocks)):
        for _ in range(5):
            bits.write(0b0001, 4)  # simple, one symbol, of 1 bit: 0
    return _riff(b"RIFF", b"WEBP" + _riff(b"VP8L", bits.bytes()))


def _jpeg_of_restarts(side: int) -> bytes:
    """A JPEG with a restart after every group of blocks."""
    return encoded(Image.new("L", (side, side), 99), "JPEG", restart_marker_blocks=1)


def _png_of_too_much() -> bytes:
    """A PNG of 64 x 64 pixels whose compressed data unpacks to 256 MiB."""
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    pixels = zlib.compressobj(9)
    packed = b"".join(pixels.compress(bytes(MEBIBYTE)) for _ in range(256)) + pixels.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


FILES: Final[dict[str, Callable[[], bytes]]] = {
    "16 MiB of empty EXIF segments": lambda: _before_the_frame(_segment(0xE1, b"Exif\0\0")),
    "16 MiB of empty APP2 segments": lambda: _before_the_frame(_segment(0xE2, b"")),
    "16 MiB of filler before a marker": lambda: _before_the_frame(b"\xff"),
    "16 MiB of Huffman tables": lambda: _before_the_frame(_segment(0xC4, b"\0" + bytes([1] + [0] * 15) + b"\0")),
    "16 MiB of quantisation tables": lambda: _before_the_frame(_segment(0xDB, b"\0" + b"\1" * 64)),
    "16 MiB of restart intervals": lambda: _before_the_frame(_segment(0xDD, b"\0\1")),
    "16 MiB of markers without a length": lambda: _before_the_frame(b"\xff\x01"),
    "JPEG with overlapping EXIF entries": lambda: encoded(
        quarters(), "JPEG", exif=b"Exif\0\0" + _overlapping_exif(65_000)
    ),
    "16 MiB of stuffed bytes in a scan": lambda: encoded(quarters(), "JPEG")[:-2] + b"\xff\0" * (LARGEST // 2 - 1000),
    "16 MiB of filler in a scan": lambda: encoded(quarters(), "JPEG")[:-2] + b"\xff" * (LARGEST - 2000),
    "16 MiB of short filler in a scan": lambda: (
        encoded(quarters(), "JPEG")[:-2] + b"\xff\xff\0" * (LARGEST // 3 - 1000)
    ),
    "16 MiB of stuffed bytes and filler in a scan": lambda: (
        encoded(quarters(), "JPEG")[:-2] + b"\xff\0" * (LARGEST * 31 // 64 - 1000) + b"\xff" * (LARGEST // 32)
    ),
    "16 MiB of restarts in a scan": lambda: encoded(quarters(), "JPEG")[:-2] + b"\xff\xd0" * (LARGEST // 2 - 1000),
    "JPEG with a restart at every block": lambda: _jpeg_of_restarts(4000),
    "JPEG of 64 scans and 16 megapixels": lambda: jpeg_of_scans(4000, 64),
    "JPEG of 64 scans and 4 megapixels": lambda: jpeg_of_scans(2000, 64),
    "JPEG of 5,000 scans": lambda: jpeg_of_scans(500, 5_000),
    "PNG with overlapping EXIF entries": lambda: _png_with(chunk(b"eXIf", _overlapping_exif(235_000))),
    "PNG with 9 MB of EXIF entries": lambda: _png_with(chunk(b"eXIf", _overlapping_exif(9_000_000))),
    "PNG of iCCP bombs": lambda: _png_with(_bomb(b"iCCP", b"x\0\0")),
    "PNG of zTXt bombs": lambda: _png_with(_bomb(b"zTXt", b"x\0\0")),
    "PNG of iTXt bombs": lambda: _png_with(_bomb(b"iTXt", b"x\0\1\0\0\0")),
    "PNG of 1,400,000 empty IDAT chunks": lambda: _png_in_pieces(0),
    "PNG of one IDAT chunk a byte": lambda: _png_in_pieces(1),
    "PNG of empty texts": lambda: _png_with(chunk(b"tEXt", b"a\0") * (LARGEST // 14 - 100)),
    "PNG whose pixels go on for 256 MiB": _png_of_too_much,
    "WebP with overlapping EXIF entries": lambda: _webp_with(_riff(b"EXIF", _overlapping_exif(147_000))),
    "WebP of a million chunks": lambda: _webp_with(_riff(b"XMP ", b"") * (LARGEST // 8 - 100)),
}
