"""CIFAR-100's official binary archive: where it is, how it is known, and its record layout.

The pictures and their layout: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import gzip
import hashlib
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from PIL import Image

from training.data.errors import DataRefusedError
from training.data.pictures import LabelledImages, Pixels, canonical
from training.data.threads import THREADS, Listener, all_in_threads
from vehiclevision.image_gate import encode, model_input

FOLDER: Final = "cifar-100-binary"
RECORDS: Final = "train.bin"
CLASS_NAMES: Final = "fine_label_names.txt"
LAYOUT: Final = "cifar-100-binary"
RECORD_SIDE: Final = 32
RECORD_BYTES: Final = 2 + 3 * RECORD_SIDE * RECORD_SIDE
# The whole archive unpacks to 185 MB.
MAX_UNPACKED_BYTES: Final = 200_000_000


@dataclass(frozen=True)
class Archive:
    """A file to be downloaded, and what it must be."""

    name: str
    addresses: tuple[str, ...]
    bytes: int
    md5: str
    sha256: str

    def check(self, file: Path) -> None:
        """Refuse a file that is not this archive."""
        if not self.is_at(file):
            raise DataRefusedError(
                f"{file} is not the official {self.name}: its checksums differ.",
                "Download it with: vehiclevision data fetch --out DIR",
            )

    def is_at(self, file: Path) -> bool:
        """Whether the file is this archive, by size and both checksums."""
        if file.stat().st_size != self.bytes:
            return False
        digests = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                for digest in digests:
                    digest.update(block)
        return tuple(digest.hexdigest() for digest in digests) == (self.md5, self.sha256)


# The publisher states the MD5 and nothing stronger. Size and SHA-256 are those that TensorFlow Datasets checks
# (url_checksums/cifar100.txt).
OFFICIAL: Final = Archive(
    name="cifar-100-binary.tar.gz",
    addresses=("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
    bytes=168_513_733,
    md5="03b5dce01913d631647c71ecec9e9cb8",
    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)


def read_archive(file: Path, archive: Archive, listener: Listener) -> LabelledImages:
    """The pictures of a checked archive; nothing is ever unpacked to a path that an archive chose."""
    archive.check(file)
    members = [f"{FOLDER}/{RECORDS}", f"{FOLDER}/{CLASS_NAMES}"]
    try:
        with _Unpacked(file) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
            contents = {member.name: _content(tar, member) for member in tar if member.name in members}
    except (tarfile.TarError, zlib.error, EOFError, OSError) as exc:
        raise DataRefusedError(f"{file.name} is no readable .tar.gz. Download it again.") from exc
    for name in members:
        if name not in contents:
            raise DataRefusedError(f"The archive has no {name}. Use CIFAR-100's binary version.")
    return from_records(contents[members[0]], contents[members[1]], listener)


def read_folder(folder: Path, listener: Listener) -> LabelledImages:
    """The pictures of the unpacked archive."""
    records, names = folder / RECORDS, folder / CLASS_NAMES
    if not names.is_file():
        raise DataRefusedError(f"{folder} has no {CLASS_NAMES}. Unpack the whole archive.")
    if records.stat().st_size + names.stat().st_size > MAX_UNPACKED_BYTES:
        raise DataRefusedError(f"{records} is far larger than CIFAR-100's. Unpack the official archive.")
    return from_records(records.read_bytes(), names.read_bytes(), listener)


def from_records(records: bytes, names: bytes, listener: Listener = lambda done, total: None) -> LabelledImages:
    """Records of coarse label, fine label, 1024 red, 1024 green and 1024 blue bytes."""
    class_names = names.decode("ascii", errors="replace").split()
    if not records or len(records) % RECORD_BYTES:
        raise DataRefusedError(f"The records do not divide into {RECORD_BYTES} bytes each. Download them again.")
    table = np.frombuffer(records, np.uint8).reshape(-1, RECORD_BYTES)
    numbers = table[:, 1].astype(np.int64)
    if numbers.max() >= len(class_names):
        raise DataRefusedError(f"A record has class {numbers.max()}, but {len(class_names)} classes have a name.")
    planes = table[:, 2:].reshape(-1, 3, RECORD_SIDE, RECORD_SIDE)
    files = all_in_threads(_file, planes.transpose(0, 2, 3, 1), THREADS, listener)
    return canonical(files, numbers, class_names, LAYOUT, ())


def _file(pixels: Pixels) -> bytes:
    """What the gate makes of these pixels in a lossless file (a test holds it to that)."""
    return encode(model_input(Image.fromarray(pixels)))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """One plain file of the archive, in memory."""
    stream: IO[bytes] | None = tar.extractfile(member) if member.isreg() else None
    if stream is None:
        raise DataRefusedError(f"{member.name} in the archive is no plain file. Download it again.")
    return stream.read()


class _Unpacked(gzip.GzipFile):
    """The unpacked archive, ended by an error before it fills the memory: a little gzip can unpack to gigabytes."""

    _left = MAX_UNPACKED_BYTES

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes of what may still come."""
        allowed = self._left + 1
        block = super().read(allowed if size is None or size < 0 else min(size, allowed))
        self._left -= len(block)
        if self._left < 0:
            raise OSError(None, f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
        return block
