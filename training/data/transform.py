"""Transform: a folder that SageMaker's built-in image classification and our own training both read.

    train/CLASS/*.jpg        validation/CLASS/*.jpg        what the lists name
    train_lst/train.lst      validation_lst/validation.lst index, class number, path: tab-separated, one picture a line
    rest/CLASS/*.jpg         the classes that the lists do not name
    manifest.json            what is in the folder, written last

The same pictures give the same bytes, and a second run writes nothing.
"""

import hashlib
import importlib.metadata
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from training.data.cifar100 import OFFICIAL, Archive
from training.data.errors import DataRefusedError
from training.data.extract import Listener, check_class_name, extract
from training.data.fetch import disk_errors_told, write_whole
from training.data.manifest import (
    FOLDERS,
    MANIFEST,
    REST,
    TRAIN,
    TRAIN_LIST,
    UNFINISHED,
    VALIDATION,
    VALIDATION_LIST,
    Entry,
    Manifest,
    is_transformed,
)
from training.data.pictures import SIDE, LabelledImages, content_hash, data_manifest
from training.data.split import Split, split
from vehiclevision.labels import LABELS

PACKAGES: Final = ("numpy", "pillow")
PARTS: Final = (TRAIN, VALIDATION)
# Half of a SHA-256: enough that no two pictures meet, and paths stay readable.
_NAME_DIGITS: Final = 32
_ANOTHER: Final = "Name an empty or a new folder with --out."
GO_ON: Final = "Run the same command again to go on."


@dataclass
class Transformed:
    """What the folder holds now, and what this run had to do for that."""

    manifest: Manifest
    written: int = 0
    unchanged: int = 0
    removed: int = 0


@dataclass(frozen=True)
class _Picture:
    """One picture of the data: where it goes, and as what."""

    index: int
    path: str
    class_number: int
    part: str


def transform(
    source: Path,
    out: Path,
    *,
    all_classes: bool = False,
    archive: Archive = OFFICIAL,
    reading: Listener = lambda done, total: None,
    writing: Listener = lambda done, total: None,
) -> Transformed:
    """Extract the source and write the folder; its lists name the vehicles, or with all_classes every class."""
    here, there = source.resolve(), out.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise DataRefusedError(
            f"{out} and the source lie in each other.", "Name a folder beside the source with --out."
        )
    with disk_errors_told(out, DataRefusedError, GO_ON):
        _Folder(out).check()  # before what may be hours of reading
    images = extract(source, archive=archive, listener=reading)
    return write(images, here.name, out, all_classes=all_classes, listener=writing)


def write(
    images: LabelledImages,
    source_name: str,
    out: Path,
    *,
    all_classes: bool = False,
    listener: Listener = lambda done, total: None,
) -> Transformed:
    """Write pictures, lists and manifest, in this order."""
    listed = len(images.class_names) if all_classes else len(LABELS)
    parts = split(images)
    pictures = sorted(_pictures(images, parts, listed), key=lambda picture: picture.path)
    folder = _Folder(out)
    with disk_errors_told(out, DataRefusedError, GO_ON):
        folder.check()
        entries = []
        for done, picture in enumerate(pictures, start=1):
            source = images.sources[picture.index] if images.sources else ""
            entries.append(folder.put(picture.path, images.files[picture.index], picture.part, source))
            listener(done, len(pictures))
        for channel, list_folder in ((TRAIN, TRAIN_LIST), (VALIDATION, VALIDATION_LIST)):
            entries.append(folder.put(f"{list_folder}/{channel}.lst", _list(channel, pictures)))
        facts = {"source": source_name, **_facts(images, parts), "builtin": _builtin(images, pictures, listed)}
        manifest = Manifest(facts, images.refused, tuple(entries))
        folder.remove_all_but(entry.path for entry in entries)
        folder.complete(manifest.to_bytes())
    return Transformed(manifest, folder.written, folder.unchanged, folder.removed)


def _pictures(images: LabelledImages, parts: Split, listed: int) -> Iterator[_Picture]:
    part_of = {int(index): name for name in PARTS for index in getattr(parts, name)}
    taken: Counter[str] = Counter()
    for index, number in enumerate(images.classes.tolist()):
        part = part_of[index]
        folder = part if number < listed else REST
        name = content_hash(images.files[index])[:_NAME_DIGITS]
        stem = f"{folder}/{check_class_name(images.class_names[number])}/{name}"
        taken[stem] += 1
        # A picture that the source holds twice counts twice, here as there.
        again = f"-{taken[stem]}" if taken[stem] > 1 else ""
        yield _Picture(index, f"{stem}{again}.jpg", number, part)


def _list(channel: str, pictures: Iterable[_Picture]) -> bytes:
    """The channel's list, in the order of the pictures' hashes: it mixes the classes, the same way every time."""
    named = [picture for picture in pictures if picture.path.startswith(f"{channel}/")]
    named.sort(key=lambda picture: (picture.path.rpartition("/")[2], picture.path))
    lines = (
        f"{index}\t{picture.class_number}\t{picture.path.removeprefix(f'{channel}/')}\n"
        for index, picture in enumerate(named)
    )
    return "".join(lines).encode()


def _facts(images: LabelledImages, parts: Split) -> dict[str, Any]:
    facts = data_manifest(images)
    del facts["refused"]
    return {
        **facts,
        "side": SIDE,
        "parts": {name: images.part(getattr(parts, name)).counts() for name in PARTS},
        "near_duplicates": parts.near_duplicates,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _builtin(images: LabelledImages, pictures: Iterable[_Picture], listed: int) -> dict[str, Any]:
    """What SageMaker's built-in algorithm has to be told about the data."""
    return {
        "num_classes": listed,
        "num_training_samples": sum(picture.path.startswith(f"{TRAIN}/") for picture in pictures),
        "image_shape": f"3,{SIDE},{SIDE}",
        "classes": list(images.class_names[:listed]),
    }


@dataclass
class _Folder:
    """The folder that is written: only what differs is, and the manifest lies in it only while all of it is there."""

    root: Path
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    _changing: bool = field(default=False)

    def check(self) -> None:
        """Refuse a folder of something else, before anything in it is touched."""
        if self.root.exists() and not is_transformed(self.root) and any(self.root.iterdir()):
            raise DataRefusedError(f"{self.root} holds something else.", _ANOTHER)
        for path in (self.root / name for name in FOLDERS):
            if path.is_symlink():
                raise DataRefusedError(f"{path} is a link.", _ANOTHER)

    def put(self, relative: str, content: bytes, part: str = "", source: str = "") -> Entry:
        """The file with this content, written only where it is not there already."""
        path = self.root / relative
        if path.parent.is_symlink():
            raise DataRefusedError(f"{path.parent} is a link.", _ANOTHER)
        if not path.is_symlink() and path.is_file() and path.read_bytes() == content:
            self.unchanged += 1
        else:
            self._begin()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
            self.written += 1
        return Entry(relative, hashlib.sha256(content).hexdigest(), len(content), part, source)

    def remove_all_but(self, relatives: Iterable[str]) -> None:
        """Remove what an earlier run with other pictures left; only this program's own folders are looked into."""
        kept = {self.root / relative for relative in relatives}
        for name in FOLDERS:
            for folder, _, files in os.walk(self.root / name, topdown=False):
                for file in files:
                    path = Path(folder) / file
                    if path not in kept:
                        self._begin()
                        path.unlink()
                        self.removed += 1
                if not any(Path(folder).iterdir()):
                    Path(folder).rmdir()

    def complete(self, manifest: bytes) -> None:
        """Say that all is there."""
        path = self.root / MANIFEST
        if not path.is_file() or path.read_bytes() != manifest:
            self._begin()
            write_whole(path, manifest)
        (self.root / UNFINISHED).unlink(missing_ok=True)

    def _begin(self) -> None:
        """From here on until it is complete again, the folder is not to be read."""
        if not self._changing:
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / UNFINISHED).touch()
            (self.root / MANIFEST).unlink(missing_ok=True)
            self._changing = True
