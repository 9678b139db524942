"""Archives in CIFAR-100's layout, and what they must be to be accepted."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from training.data.cifar100 import CLASS_NAMES, FOLDER, Archive

Member = tuple[tarfile.TarInfo, bytes]


def binary_records(folder: Path) -> tuple[bytes, bytes]:
    """A folder per class of 32 x 32 PNGs in CIFAR-100's own record layout, and the file of class names."""
    names = sorted(path.name for path in folder.iterdir())
    records = [
        np.concatenate([np.array([0, number], np.uint8), np.asarray(Image.open(path)).transpose(2, 0, 1).ravel()])
        for number, name in enumerate(names)
        for path in sorted((folder / name).iterdir())
    ]
    mixed = np.random.default_rng(0).permutation(np.stack(records))
    return mixed.tobytes(), "".join(f"{name}\n" for name in names).encode()


def members(folder: Path) -> list[Member]:
    """What an archive of these pictures holds."""
    records, names = binary_records(folder)
    return [member("train.bin", records), member(CLASS_NAMES, names)]


def member(name: str, content: bytes) -> Member:
    """One file within the archive's folder."""
    return tarfile.TarInfo(f"{FOLDER}/{name}"), content


def write_archive(path: Path, inside: list[Member]) -> Archive:
    """A .tar.gz of the given members, as an archive that is accepted."""
    with tarfile.open(path, "w:gz") as tar:
        for entry, content in inside:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return accepted(path.name, path.read_bytes())


def accepted(name: str, content: bytes, *addresses: str) -> Archive:
    """The description under which this content is the right one."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Archive(name, addresses, len(content), md5, hashlib.sha256(content).hexdigest())
