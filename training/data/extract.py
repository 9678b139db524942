"""Extract: labelled pictures from a folder per class or from CIFAR-100's official binary archive."""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from training.data.pictures import DataRefusedError, LabelledImages, Pixels, Refused, canonical, normalised_pixels
from vehiclevision.errors import InvalidImageError

PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})

# The publisher states an MD5 for the archive and nothing stronger: https://www.cs.toronto.edu/~kriz/cifar.html
CIFAR100_ARCHIVE_MD5: Final = "03b5dce01913d631647c71ecec9e9cb8"
CIFAR100_FOLDER: Final = "cifar-100-binary"
CIFAR100_NAMES: Final = "fine_label_names.txt"
CIFAR_SIDE: Final = 32
CIFAR_RECORD_BYTES: Final = 2 + 3 * CIFAR_SIDE * CIFAR_SIDE
MAX_MEMBER_BYTES: Final = 200_000_000


def extract(source: Path, *, archive_md5: str = CIFAR100_ARCHIVE_MD5, split: str = "train") -> LabelledImages:
    """Read a folder per class, an unpacked CIFAR-100 binary folder, or its .tar.gz, which must have the given MD5."""
    if not source.exists():
        raise DataRefusedError(f"There is no {source}. Name a folder per class or CIFAR-100's binary archive.")
    if source.is_file():
        return _from_archive(source, archive_md5, split)
    for folder in (source, source / CIFAR100_FOLDER):
        if (folder / f"{split}.bin").is_file():
            return _from_cifar_folder(folder, split)
    return _from_class_folders(source)


def _from_archive(archive: Path, expected_md5: str, split: str) -> LabelledImages:
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected_md5:
        raise DataRefusedError(f"{archive.name} has MD5 {found}, not {expected_md5}. Download it again.")
    try:
        with tarfile.open(archive, "r:gz") as tar:
            records = _read_member(tar, f"{CIFAR100_FOLDER}/{split}.bin")
            names = _read_member(tar, f"{CIFAR100_FOLDER}/{CIFAR100_NAMES}")
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise DataRefusedError(f"{archive.name} is no readable .tar.gz. Download it again.") from exc
    return _from_cifar_records(records, names, "cifar-100-binary")


def _read_member(tar: tarfile.TarFile, name: str) -> bytes:
    """One plain file of the archive, in memory: nothing is ever unpacked to a path that an archive chose."""
    try:
        member = tar.getmember(name)
    except KeyError as exc:
        raise DataRefusedError(f"The archive has no {name}. Use CIFAR-100's binary version.") from exc
    if not member.isfile() or member.size > MAX_MEMBER_BYTES:
        raise DataRefusedError(f"{name} in the archive is no plain file of a sensible size. Download it again.")
    stream: IO[bytes] | None = tar.extractfile(member)
    if stream is None:
        raise DataRefusedError(f"{name} in the archive cannot be read. Download it again.")
    return stream.read()


def _from_cifar_folder(folder: Path, split: str) -> LabelledImages:
    names = folder / CIFAR100_NAMES
    if not names.is_file():
        raise DataRefusedError(f"{folder} has no {CIFAR100_NAMES}. Unpack the whole archive.")
    return _from_cifar_records((folder / f"{split}.bin").read_bytes(), names.read_bytes(), "cifar-100-binary")


def _from_cifar_records(records: bytes, names: bytes, layout: str) -> LabelledImages:
    """Records of coarse label, fine label, 1024 red, 1024 green and 1024 blue bytes."""
    class_names = names.decode("ascii", errors="replace").split()
    if not records or len(records) % CIFAR_RECORD_BYTES:
        raise DataRefusedError(f"The records do not divide into {CIFAR_RECORD_BYTES} bytes each. Download them again.")
    table = np.frombuffer(records, np.uint8).reshape(-1, CIFAR_RECORD_BYTES)
    numbers = table[:, 1].astype(np.int64)
    if numbers.max() >= len(class_names):
        raise DataRefusedError(f"A record has class {numbers.max()}, but {len(class_names)} classes have a name.")
    planes = table[:, 2:].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE)
    # The gate leaves a 32 x 32 RGB picture as it is (a test holds it to that), so these need no trip through it.
    return canonical(planes.transpose(0, 2, 3, 1), numbers, class_names, layout, ())


def _from_class_folders(source: Path) -> LabelledImages:
    class_names = sorted(entry.name for entry in source.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    pixels: list[Pixels] = []
    numbers: list[int] = []
    refused: list[Refused] = []
    for number, name in enumerate(class_names):
        for file in _pictures(source, source / name):
            try:
                pixels.append(normalised_pixels(file.read_bytes()))
                numbers.append(number)
            except InvalidImageError as error:
                refused.append(Refused(f"{name}/{file.name}", error.reason.value))
    if not pixels:
        raise DataRefusedError(f"{source} holds no pictures. Put them into one folder per class.")
    return canonical(np.stack(pixels), np.array(numbers), class_names, "folder-per-class", tuple(refused))


def _pictures(root: Path, folder: Path) -> Iterator[Path]:
    """Picture files of one class; a link that leads out of the data folder is refused."""
    for file in sorted(folder.iterdir()):
        if not file.resolve().is_relative_to(root.resolve()):
            raise DataRefusedError(f"{folder.name}/{file.name} leads out of the data folder. Copy the picture in.")
        if file.is_file() and file.suffix.lower() in PICTURE_SUFFIXES:
            yield file
