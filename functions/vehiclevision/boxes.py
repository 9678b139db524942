"""Walks an uploaded HEIC or AVIF before any decoder does, and writes its picture anew, a small file for each tile.

A phone's photo is a grid of tiles of 512 pixels. Tiles are decoded and shrunk one after another, so that memory hardly
depends on how large a photo is. Each of the small files holds one coded picture and what its decoder needs to begin:
no EXIF, no profile, no thumbnail, no second picture. What the coded picture says of its own size is read here, because
a decoder believes it and not the boxes around it (ISO/IEC 14496-12, 23008-12, 23008-2; AV1 5.5).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from vehiclevision.errors import InvalidImageError, Reason
from vehiclevision.segments import damaged

_MAX_BOXES: Final = 1_000
_MAX_DESCRIPTION_BYTES: Final = 256 * 1024
_MAX_TILES: Final = 256
_LOCATION_BYTES: Final = 30
# In how many pieces all items lie; a picture may count them without a byte for each.
_MAX_PIECES: Final = 1_000
# Of one tile, whether they are kept or not: a phone's has one.
_MAX_UNITS: Final = 256
# Parameter sets of one tile: a phone's are three, of 100 bytes.
_MAX_CONFIGURATION_BYTES: Final = 4096
_MAX_SETS: Final = 16
# What the coded size may be larger than the size in the boxes: the codecs work in blocks.
_MAX_PADDING: Final = 128

_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"miaf", b"avif", b"msf1", b"hevc", b"avis"}
)
_SEQUENCES: Final = frozenset({b"msf1", b"hevc", b"hevx", b"avis"})
_ALPHA: Final = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_FORMATS: Final = {b"hvc1": "HEIC", b"av01": "AVIF"}
_TURNS: Final = {0: 1, 1: 8, 2: 3, 3: 6}  # anticlockwise quarters as EXIF has them
_MIRRORS: Final = {0: 4, 1: 2}  # top and bottom exchanged, left and right exchanged
_INTRA_UNITS: Final = range(16, 22)  # HEVC's pictures that need no other
_SEQUENCE_HEADER, _FRAME_HEADER, _TILE_GROUP, _FRAME = 1, 3, 4, 6


@dataclass(frozen=True)
class Tile:
    """One coded picture, ready to be written as a file of its own."""

    kind: bytes
    properties: tuple[bytes, ...]
    coded: bytes

    def file(self) -> bytes:
        """The smallest HEIC or AVIF with this picture in it."""
        brand = b"heic" if self.kind == b"hvc1" else b"avif"
        associations = bytes(range(1, len(self.properties) + 1))
        description = [
            _box(b"hdlr", bytes(8) + b"pict" + bytes(13)),
            _box(b"pitm", bytes(4) + b"\0\1"),
            _box(b"iinf", bytes(4) + b"\0\1" + _box(b"infe", b"\2\0\0\0" + b"\0\1\0\0" + self.kind + b"\0")),
            _box(
                b"iprp",
                _box(b"ipco", b"".join(self.properties))
                + _box(b"ipma", bytes(4) + b"\0\0\0\1\0\1" + bytes([len(associations)]) + associations),
            ),
        ]
        beginning = _box(b"ftyp", brand + bytes(4) + brand + b"mif1miaf")
        pixels_at = len(beginning) + 12 + sum(map(len, description)) + _LOCATION_BYTES + 8
        location = struct.pack(">IHHHHHII", 0, 0x4400, 1, 1, 0, 1, pixels_at, len(self.coded))
        description.append(_box(b"iloc", location))
        return beginning + _box(b"meta", bytes(4) + b"".join(description)) + _box(b"mdat", self.coded)


@dataclass(frozen=True)
class CleanTiles:
    """A picture in tiles, row by row; its size as stored, and the EXIF orientations that put it upright."""

    format: str
    width: int
    height: int
    tile_width: int
    tile_height: int
    columns: int
    tiles: tuple[Tile, ...]
    turns: tuple[int, ...] = ()
    alpha: "CleanTiles | None" = None

    def reduction(self, least_side: int) -> int:
        """By how much each tile can be shrunk so that the longer side keeps that length, and tiles still meet."""
        reduction = 1
        while (
            self.tile_width % (2 * reduction) == 0
            and self.tile_height % (2 * reduction) == 0
            and max(self.width, self.height) >= 2 * reduction * least_side
        ):
            reduction *= 2
        return reduction


def is_heif(data: bytes) -> bool:
    """Whether the first box says that this is a HEIC, an AVIF or another picture of their family."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = data[8:12] + data[16:length]
    return data[4:8] == b"ftyp" and any(brands[at : at + 4] in _BRANDS for at in range(0, len(brands), 4))


def heif(data: bytes) -> CleanTiles:
    """The primary picture of a HEIC or AVIF, with its transparency."""
    if data[8:12] in _SEQUENCES:
        raise InvalidImageError(Reason.ANIMATED, "send a single picture, not an animation")
    for kind, body in _boxes(memoryview(data)):
        if kind == b"meta" and len(body) <= _MAX_DESCRIPTION_BYTES:
            return _Description(data, body).picture()
    raise damaged("the file has no picture in it")


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _boxes(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of each box, up to one that is cut short."""
    at = 0
    for _ in range(_MAX_BOXES):
        size, header = int.from_bytes(view[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(view[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(view) - at
        if size < header or at + size > len(view):
            return
        yield bytes(view[at + 4 : at + 8]), view[at + header : at + size]
        at += size


class _Numbers:
    """Whole numbers, read one after another from bytes; reading past the end means that the file is damaged."""

    def __init__(self, view: memoryview | bytes) -> None:
        self._view = view
        self._at = 0

    def next(self, size: int) -> int:
        """The next number of so many bytes."""
        return int.from_bytes(self.bytes(size), "big")

    def bytes(self, size: int) -> bytes:
        """The next so many bytes."""
        self._at += size
        if self._at > len(self._view):
            raise damaged()
        return bytes(self._view[self._at - size : self._at])

    @property
    def rest(self) -> memoryview:
        """All that has not been read."""
        return memoryview(self._view)[self._at :]


def _each_unit(numbers: _Numbers) -> Iterator[None]:
    """Once for each unit that is read from the numbers; more than a picture has mean that the file is damaged."""
    for _ in range(_MAX_UNITS):
        if not numbers.rest:
            return
        yield
    raise damaged()


class _Bits:
    """Bits, read one after another from bytes; those past the end are zeros."""

    def __init__(self, content: bytes) -> None:
        self._bits = int.from_bytes(content, "big")
        self._left = 8 * len(content)

    def next(self, count: int) -> int:
        """The number in the next so many bits."""
        if count > self._left:
            raise damaged()
        self._left -= count
        return self._bits >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """The next number that says its own length, as HEVC writes it: ue(v)."""
        zeros = 0
        while not self.next(1):
            zeros += 1
        return (1 << zeros) - 1 + self.next(zeros)


class _Description:
    """What the meta box says of the pictures in the file."""

    def __init__(self, data: bytes, body: memoryview) -> None:
        self._data = data
        boxes: dict[bytes, memoryview] = {}
        for kind, content in _boxes(body[4:]):
            boxes.setdefault(kind, content)
        missing = memoryview(b"")
        self._inside = boxes.get(b"idat", missing)
        self._primary = _primary(boxes.get(b"pitm", missing))
        self._kinds = _kinds(boxes.get(b"iinf", missing))
        self._references = _references(boxes.get(b"iref", missing))
        self._properties = _properties(boxes.get(b"iprp", missing))
        self._extents = _extents(boxes.get(b"iloc", missing))
        self._bytes_left = len(data)

    def picture(self) -> CleanTiles:
        """The primary picture, turned as the file says, with its transparency if there is one of the same size."""
        tiles = self._tiles(self._primary)
        turns = [_TURNS[body[8] & 3] for body in self._of(self._primary, b"irot") if len(body) == 9]
        turns += [_MIRRORS[body[8] & 1] for body in self._of(self._primary, b"imir") if len(body) == 9]
        alpha = None
        for kind, item, pictures in self._references:
            is_alpha = any(body.startswith(_ALPHA, 12) for body in self._of(item, b"auxC"))
            if kind == b"auxl" and self._primary in pictures and is_alpha and alpha is None:
                alpha = self._tiles(item)
        if alpha is not None and (alpha.width, alpha.height) != (tiles.width, tiles.height):
            raise damaged()
        return replace(tiles, turns=tuple(turns), alpha=alpha)

    def _tiles(self, item: int) -> CleanTiles:
        kind = self._kinds.get(item, b"")
        columns, numbers, size = 1, [item], None
        if kind == b"grid":
            grid = _Numbers(self._bytes(item))
            field_bytes = 4 if grid.next(2) & 1 else 2
            rows, columns = grid.next(1) + 1, grid.next(1) + 1
            size = grid.next(field_bytes), grid.next(field_bytes)
            numbers = next((list(to) for name, one, to in self._references if (name, one) == (b"dimg", item)), [])
            if len(numbers) != rows * columns:
                raise damaged()
            kind = self._kinds.get(numbers[0], b"")
        if kind not in _FORMATS or len(numbers) > _MAX_TILES:
            raise InvalidImageError(Reason.UNSUPPORTED_FORMAT, "this kind of HEIF is rare; export the photo as JPEG")
        if any(self._kinds.get(number) != kind for number in numbers):
            raise damaged()
        sizes = {self._size(number) for number in numbers}
        if len(sizes) != 1:
            raise damaged()
        (tile_width, tile_height) = next(iter(sizes))
        width, height = size or (tile_width, tile_height)
        across, down = columns * tile_width, len(numbers) // columns * tile_height
        # The picture begins in the first tile and ends in the last.
        if not (across - tile_width < width <= across and down - tile_height < height <= down):
            raise damaged()
        tiles = tuple(self._tile(number, kind, (tile_width, tile_height)) for number in numbers)
        return CleanTiles(_FORMATS[kind], width, height, tile_width, tile_height, columns, tiles)

    def _tile(self, item: int, kind: bytes, size: tuple[int, int]) -> Tile:
        configuration = next(iter(self._of(item, b"hvcC" if kind == b"hvc1" else b"av1C")), b"")[8:]
        if len(configuration) > _MAX_CONFIGURATION_BYTES:
            raise damaged()
        read = _hevc if kind == b"hvc1" else _av1
        configuration, coded, coded_size = read(configuration, self._bytes(item))
        if any(not 0 < real <= said + _MAX_PADDING for real, said in zip(coded_size, size, strict=True)):
            raise damaged("the picture is not as large as the file says")
        extent = _box(b"ispe", struct.pack(">III", 0, *size))
        colours = [body for body in self._of(item, b"colr") if len(body) == 19 and body[8:12] == b"nclx"][:1]
        return Tile(kind, (configuration, extent, *colours), coded)

    def _of(self, item: int, kind: bytes) -> list[bytes]:
        """The properties of this kind that belong to an item, each as the whole box that it is."""
        return [box for box in self._properties.get(item, []) if box[4:8] == kind]

    def _size(self, item: int) -> tuple[int, int]:
        for box in self._of(item, b"ispe"):
            numbers = _Numbers(box[12:])
            return numbers.next(4), numbers.next(4)
        raise damaged()

    def _bytes(self, item: int) -> bytes:
        """What an item consists of; all items together never more than the file."""
        parts: list[bytes] = []
        for is_inside, start, length in self._extents.get(item, []):
            source = self._inside if is_inside else memoryview(self._data)
            part = source[start : start + length] if length else source[start:]
            self._bytes_left -= len(part)
            if not part or len(part) < length or self._bytes_left < 0:
                raise damaged()
            parts.append(bytes(part))
        return b"".join(parts)


def _primary(body: memoryview) -> int:
    numbers = _Numbers(body)
    return numbers.next(2 if not numbers.next(4) >> 24 else 4)


def _kinds(body: memoryview) -> dict[int, bytes]:
    """What each item is: a coded picture, a grid, EXIF."""
    numbers = _Numbers(body)
    numbers.next(2 if not numbers.next(4) >> 24 else 4)
    kinds: dict[int, bytes] = {}
    for kind, entry in _boxes(numbers.rest):
        fields = _Numbers(entry)
        version = fields.next(4) >> 24
        if kind == b"infe" and version in (2, 3):
            item, _ = fields.next(2 * version - 2), fields.next(2)
            kinds.setdefault(item, fields.bytes(4))
    return kinds


def _references(body: memoryview) -> list[tuple[bytes, int, tuple[int, ...]]]:
    """Kind, from which item, to which items."""
    if not body:
        return []
    numbers = _Numbers(body)
    size = 4 if numbers.next(4) >> 24 else 2
    references = []
    for kind, entry in _boxes(numbers.rest):
        fields = _Numbers(entry)
        item, count = fields.next(size), fields.next(2)
        references.append((kind, item, tuple(fields.next(size) for _ in range(count))))
    return references


def _properties(body: memoryview) -> dict[int, list[bytes]]:
    """The boxes that describe each item."""
    boxes = dict(_boxes(body))
    all_properties = [_box(kind, bytes(content)) for kind, content in _boxes(boxes.get(b"ipco", memoryview(b"")))]
    numbers = _Numbers(boxes.get(b"ipma", memoryview(b"")))
    head = numbers.next(4)
    id_bytes, index_bytes = 4 if head >> 24 else 2, 2 if head & 1 else 1
    properties: dict[int, list[bytes]] = {}
    for _ in range(numbers.next(4)):
        item = numbers.next(id_bytes)
        indices = [numbers.next(index_bytes) & (1 << 8 * index_bytes - 1) - 1 for _ in range(numbers.next(1))]
        properties[item] = [all_properties[index - 1] for index in indices if 0 < index <= len(all_properties)]
    return properties


def _extents(body: memoryview) -> dict[int, list[tuple[bool, int, int]]]:
    """Whether an item lies in the meta box itself, where its pieces begin, and how long they are (0: to the end)."""
    numbers = _Numbers(body)
    version = numbers.next(4) >> 24
    sizes = numbers.next(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    if version > 2 or not {offset_bytes, length_bytes, base_bytes} <= {0, 4, 8}:
        raise damaged()
    extents: dict[int, list[tuple[bool, int, int]]] = {}
    pieces_left = _MAX_PIECES
    for _ in range(numbers.next(2 if version < 2 else 4)):
        item = numbers.next(2 if version < 2 else 4)
        method = numbers.next(2) & 15 if version else 0
        numbers.next(2)
        base = numbers.next(base_bytes)
        pieces = []
        count = numbers.next(2)
        pieces_left -= count
        if pieces_left < 0:
            raise damaged()
        for _ in range(count):
            numbers.next(index_bytes if version else 0)
            pieces.append((method == 1, base + numbers.next(offset_bytes), numbers.next(length_bytes)))
        if method in (0, 1):
            extents.setdefault(item, pieces)
    return extents


def _hevc(configuration: bytes, coded: bytes) -> tuple[bytes, bytes, tuple[int, int]]:
    """An hvcC box with nothing but parameter sets, the slices of one picture, and its coded size."""
    numbers = _Numbers(configuration)
    head = numbers.bytes(22)
    size: tuple[int, int] = (0, 0)
    arrays: list[bytes] = []
    sets_left = _MAX_SETS
    for _ in range(numbers.next(1)):
        kind, count = numbers.next(1), numbers.next(2)
        sets_left -= count
        if sets_left < 0:
            raise damaged()
        units = [numbers.bytes(numbers.next(2)) for _ in range(count)]
        if kind & 63 in (32, 33, 34):
            arrays.append(struct.pack(">BH", kind, count) + b"".join(len(u).to_bytes(2, "big") + u for u in units))
        for unit in units if kind & 63 == 33 else []:
            width, height = _hevc_size(unit)
            size = max(size[0], width), max(size[1], height)
    length_bytes = (head[21] & 3) + 1
    slices = _Numbers(coded)
    kept: list[bytes] = []
    beginnings = 0
    for _ in _each_unit(slices):
        unit = slices.bytes(slices.next(length_bytes))
        if len(unit) > 2 and unit[0] >> 1 & 63 in _INTRA_UNITS:
            beginnings += unit[2] >> 7
            kept.append(len(unit).to_bytes(length_bytes, "big") + unit)
    if beginnings != 1:
        raise damaged("the file has no picture in it")
    return _box(b"hvcC", head + bytes([len(arrays)]) + b"".join(arrays)), b"".join(kept), size


def _hevc_size(sequence: bytes) -> tuple[int, int]:
    """Width and height in a sequence parameter set (H.265, 7.3.2.2)."""
    bits = _Bits(sequence[2:128].replace(b"\0\0\3", b"\0\0"))
    bits.next(4)
    layers = bits.next(3)
    bits.next(1 + 88 + 8)
    present = [(bits.next(1), bits.next(1)) for _ in range(layers)]
    if layers:
        bits.next(2 * (8 - layers))
    for profile, level in present:
        bits.next(88 * profile + 8 * level)
    bits.golomb()
    if bits.golomb() == 3:  # colour at full size
        bits.next(1)
    return bits.golomb(), bits.golomb()


def _av1(configuration: bytes, coded: bytes) -> tuple[bytes, bytes, tuple[int, int]]:
    """An av1C box without units in it, the units of one frame, and the largest size that they may have."""
    numbers = _Numbers(coded)
    size: tuple[int, int] = (0, 0)
    kept: list[bytes] = []
    frames = 0
    for _ in _each_unit(numbers):
        header = numbers.bytes(1)
        kind = header[0] >> 3 & 15
        header += numbers.bytes(1) if header[0] & 4 else b""
        length = _leb128(numbers) if header[0] & 2 else len(numbers.rest)
        body = numbers.bytes(length)
        frames += kind in (_FRAME_HEADER, _FRAME)
        if kind == _SEQUENCE_HEADER:
            width, height = _av1_size(body)
            size = max(size[0], width), max(size[1], height)
        if kind in (_SEQUENCE_HEADER, _FRAME_HEADER, _TILE_GROUP, _FRAME):
            kept.append(bytes([header[0] | 2]) + header[1:] + _as_leb128(length) + body)
    if frames != 1:
        raise damaged("the file has not exactly one picture in it")
    return _box(b"av1C", configuration[:4]), b"".join(kept), size


def _leb128(numbers: _Numbers) -> int:
    value = 0
    for place in range(8):
        byte = numbers.next(1)
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value
    raise damaged()


def _as_leb128(value: int) -> bytes:
    return bytes(value >> 7 * place & 127 | (128 if place < 3 else 0) for place in range(4))


def _av1_size(sequence: bytes) -> tuple[int, int]:
    """The largest width and height in a sequence header (AV1, 5.5.1)."""
    bits = _Bits(sequence[:128])
    bits.next(3 + 1)
    if bits.next(1):  # a still picture, said briefly
        bits.next(5)
    else:
        if bits.next(1):
            raise InvalidImageError(Reason.UNSUPPORTED_FORMAT, "this kind of AVIF is rare; export the photo as JPEG")
        has_delay = bits.next(1)
        for _ in range(bits.next(5) + 1):
            bits.next(12)
            if bits.next(5) > 7:
                bits.next(1)
            if has_delay and bits.next(1):
                bits.next(4)
    width_bits, height_bits = bits.next(4) + 1, bits.next(4) + 1
    return bits.next(width_bits) + 1, bits.next(height_bits) + 1
