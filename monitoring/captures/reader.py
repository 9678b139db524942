"""Files to records, as a stream: unpacked, cut into lines, every line counted as read or as unreadable.

Nothing holds a whole file. Blocks of whole lines are what is handed on, so that another process can parse them.
"""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from monitoring.captures.record import Captured, Unreadable, parse
from monitoring.captures.source import (
    ALL,
    NAMED_LIKE_CAPTURE,
    File,
    FileForeignError,
    FileGoneError,
    FileRefusedError,
    KeyParts,
    Selection,
    Source,
)

# SageMaker takes 6 MiB in a request: 8 MiB in base64, and the answer.
MAX_LINE_BYTES: Final = 12 * 1024 * 1024
BLOCK_BYTES: Final = 512 * 1024
# Real captures, half of them base64, shrink to two thirds; what unpacks to this many times its size is a trap.
MAX_EXPANSION: Final = 250
FREE_EXPANSION_BYTES: Final = 64 * 1024 * 1024

_GZIP_MAGIC: Final = b"\x1f\x8b"
_UNPACK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines of a file, in order."""

    lines: bytes
    # The file ended within the last line.
    open_end: bool
    # Lines that could not be held, by reason.
    lost: Counter[str]
    parts: KeyParts | None
    # File and offset: tells records without an id apart.
    origin: str


@dataclass
class Tally:
    """What became of the files."""

    # Read; without JSON lines; gone away, or not to be read.
    files: int = 0
    files_skipped: int = 0
    files_vanished: int = 0
    files_refused: int = 0
    # Listed and not drawn, where only a sample is read.
    files_left_out: int = 0
    bytes: int = 0


class DamagedError(Exception):
    """A packed file that cannot be unpacked any further; the reason is its message."""


@dataclass
class _Cutter:
    """Cuts a stream into lines without ever holding more than one of allowed length."""

    rest: bytearray = field(default_factory=bytearray)
    skipping: bool = False

    def feed(self, chunk: bytes, lost: Counter[str]) -> bytes:
        """Whole lines so far; one that is too long is counted as lost when it has ended."""
        if self.skipping:
            _, newline, chunk = chunk.partition(b"\n")
            if not newline:
                return b""
            self.skipping = False
            lost["too_long"] += 1
        end = chunk.rfind(b"\n") + 1
        whole = b""
        if end:
            whole, self.rest = bytes(self.rest) + chunk[:end], bytearray()
        self.rest += chunk[end:]
        if len(self.rest) > MAX_LINE_BYTES:
            self.rest.clear()
            self.skipping = True
        return whole

    def finish(self, lost: Counter[str]) -> bytes:
        """What follows the last newline."""
        lost["too_long"] += self.skipping
        return bytes(self.rest)


def read(source: Source, selection: Selection = ALL, tally: Tally | None = None) -> Iterator[Captured | Unreadable]:
    """Every line of every file that may hold wanted records, in order; those outside the window too."""
    counted = Tally() if tally is None else tally
    for file in source.files(selection):
        for block in blocks(source, file, counted):
            yield from records(block)


def records(block: Block) -> Iterator[Captured | Unreadable]:
    """The lines of a block, parsed."""
    lines = block.lines.split(b"\n")
    last = lines.pop()
    for line in lines:
        yield parse(line) if len(line) <= MAX_LINE_BYTES else Unreadable("too_long")
    if block.open_end and last:
        last_record = parse(last)
        # It may be whole, only without its newline; else somebody is still writing it.
        yield Unreadable("unfinished") if isinstance(last_record, Unreadable) else last_record
    for reason in block.lost.elements():
        yield Unreadable(reason)


def blocks(source: Source, file: File, tally: Tally) -> Iterator[Block]:
    """One file's lines in blocks; a file that holds no JSON lines is counted as skipped."""
    cutter, ready, lost, offset = _Cutter(), bytearray(), Counter[str](), 0
    begun, broken = False, ""
    try:
        for chunk in unpacked(_counted(source.chunks(file), tally)):
            if not begun and not chunk.isspace():
                if not belongs(file.name, chunk):
                    tally.files_skipped += 1
                    return
                begun = True
                tally.files += 1
            ready += cutter.feed(chunk, lost)
            if len(ready) >= BLOCK_BYTES:
                yield Block(bytes(ready), False, lost, file.parts, f"{file.name}:{offset}")
                offset += len(ready)
                ready, lost = bytearray(), Counter()
    except FileForeignError:
        tally.files_skipped += 1
        return
    except FileGoneError:
        tally.files_vanished += 1
        broken = "vanished"
    except FileRefusedError:
        tally.files_refused += 1
        broken = "refused"
    except DamagedError as damaged:
        broken = str(damaged)
    if not begun:
        if broken in ("vanished", "refused"):
            return
        if not _named_like_capture(file.name):
            tally.files_skipped += 1
            return
        tally.files += 1
    # What cannot be read any further counts as one line, whatever is left of it.
    rest = b"" if broken else cutter.finish(lost)
    if broken:
        lost[broken] += 1
    yield Block(bytes(ready) + rest, bool(rest), lost, file.parts, f"{file.name}:{offset}")


def belongs(name: str, start: bytes) -> bool:
    """Whether a file is taken for captured data: by its name, or because it begins like a JSON object."""
    return _named_like_capture(name) or start.lstrip().startswith((b"{", b"\xef\xbb\xbf{"))


def _named_like_capture(name: str) -> bool:
    return name.lower().endswith(NAMED_LIKE_CAPTURE)


def _counted(chunks: Iterator[bytes], tally: Tally) -> Iterator[bytes]:
    for chunk in chunks:
        tally.bytes += len(chunk)
        yield chunk


def unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes as they are, or unpacked when they begin as gzip does; DamagedError when that goes wrong."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= len(_GZIP_MAGIC):
            break
    if not first.startswith(_GZIP_MAGIC):
        if first:
            yield first
        yield from chunks
        return
    engine, packed, begun = zlib.decompressobj(wbits=31), first, False
    taken, given = 0, 0
    while packed:
        taken += len(packed)
        while packed or begun:
            try:
                plain = engine.decompress(packed, _UNPACK_BYTES)
            except zlib.error as exc:
                raise DamagedError("damaged_gzip") from exc
            begun = not engine.eof
            given += len(plain)
            if given > max(FREE_EXPANSION_BYTES, MAX_EXPANSION * taken):
                raise DamagedError("gzip_bomb")
            if plain:
                yield plain
            packed = engine.unconsumed_tail
            if engine.eof:
                # A file may be several gzip streams one after the other; zeros at its end are padding.
                packed = engine.unused_data.lstrip(b"\0")
                engine = zlib.decompressobj(wbits=31)
            elif not packed and len(plain) < _UNPACK_BYTES:
                break
        packed = next(chunks, b"")
    if begun:
        raise DamagedError("damaged_gzip")
