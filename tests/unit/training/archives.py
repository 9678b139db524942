"""Archives in CIFAR-100's layout, and what they must be to be accepted."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np

from training.data.cifar100 import CLASS_NAMES, FOLDER, Archive
from training.data.pictures import LabelledImages

Member = tuple[tarfile.TarInfo, bytes]


def binary_records(images: LabelledImages, shuffled_by: int = 0) -> tuple[bytes, bytes]:
    """The pictures in CIFAR-100's own record layout, and the file of class names."""
    names = sorted(images.class_names)
    planes = images.pixels.transpose(0, 3, 1, 2).reshape(len(images), -1)
    numbers = np.array([[0, names.index(images.class_names[number])] for number in images.classes], np.uint8)
    records = np.concatenate([numbers, planes], axis=1)
    np.random.default_rng(shuffled_by).shuffle(records)
    return records.tobytes(), "".join(f"{name}\n" for name in names).encode()


def members(images: LabelledImages) -> list[Member]:
    """What an archive of these pictures holds."""
    records, names = binary_records(images)
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
