"""Extract: labelled pictures from wherever they lie, in one canonical order.

A source is a folder per class, CIFAR-100's official binary archive (as a file, in a folder, or unpacked), or a folder
that `training.data.transform` wrote: the same pictures are the same data in each of them.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from training.data import cifar100
from training.data.cifar100 import Archive
from training.data.errors import DataRefusedError
from training.data.manifest import Entry, is_transformed, read_entry, read_manifest
from training.data.pictures import LabelledImages, Refused, canonical, is_normalised, normalised
from training.data.threads import THREADS, all_in_threads
from training.data.threads import Listener as Listener  # noqa: PLC0414 - also found here
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits
from vehiclevision.labels import LABELS
from vehiclevision.refusal import printable

# The photos of a folder come from SOURCE where their names are SOURCE__NAME.
SOURCE_ENDS: Final = "__"
NOT_A_FILE: Final = "NOT_A_FILE"
_MAX_NAME_BYTES: Final = 200


def extract(
    source: Path,
    *,
    archive: Archive = cifar100.OFFICIAL,
    listener: Listener = lambda done, total: None,
) -> LabelledImages:
    """The pictures of a source; every photo has been through the product's image gate."""
    if not source.exists():
        raise DataRefusedError(f"There is no {source}.", "Name a folder per class or CIFAR-100's binary archive.")
    if source.is_file():
        return cifar100.read_archive(source, archive, listener)
    for folder in (source, source / cifar100.FOLDER):
        if (folder / cifar100.RECORDS).is_file():
            return cifar100.read_folder(folder, listener)
    if (source / archive.name).is_file():
        return cifar100.read_archive(source / archive.name, archive, listener)
    if is_transformed(source):
        return _from_transformed(source, listener)
    return _from_class_folders(source, listener)


def _from_class_folders(source: Path, listener: Listener) -> LabelledImages:
    class_names = [check_class_name(name) for name in sorted(entry.name for entry in _folders(source))]
    files = [(number, file) for number, name in enumerate(class_names) for file in _files(source, source / name)]
    pictures: list[bytes] = []
    numbers: list[int] = []
    sources: list[str] = []
    refused: list[Refused] = []
    outcomes = all_in_threads(_normalised, [file for _, file in files], THREADS, listener)
    for (number, file), outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, str):
            refused.append(Refused(f"{class_names[number]}/{printable(file.name)}", outcome))
        else:
            pictures.append(outcome)
            numbers.append(number)
            sources.append(printable(source_of(file.name)))
    if not pictures:
        words = "no folder with pictures"
        if refused:
            words = f"folders with {len(refused):,} entries, and none of these is a usable picture"
        raise DataRefusedError(
            f"{source} holds {words}.",
            f"Put the pictures into folders named {', '.join(LABELS)}, and any other name for neither.",
        )
    return canonical(pictures, np.array(numbers), class_names, "folder-per-class", tuple(refused), sources=sources)


def source_of(file_name: str) -> str:
    """The part of a file's name that says where it comes from; nothing where no part does."""
    source, ends, _ = file_name.rpartition("/")[2].partition(SOURCE_ENDS)
    return source if ends else ""


def check_class_name(name: str) -> str:
    """The name, where it can stand in a list, in a key of S3 and in a terminal."""
    if not name.isprintable() or "\\" in name or len(name.encode()) > _MAX_NAME_BYTES:
        raise DataRefusedError(
            f"A class folder is called {printable(name)[:_MAX_NAME_BYTES]}.", "Give it a plain name."
        )
    return name


def _folders(source: Path) -> Iterator[Path]:
    for entry in source.iterdir():
        if entry.is_dir() and not entry.name.startswith("."):
            _check_inside(source, entry)
            yield entry


def _files(root: Path, folder: Path) -> Iterator[Path]:
    """All that lies in a class's folder, whatever its suffix: the gate looks at content, and refusals are listed."""
    for file in sorted(folder.iterdir()):
        if not file.name.startswith("."):
            _check_inside(root, file)
            yield file


def _check_inside(root: Path, path: Path) -> None:
    if leads_out(root, path):
        name = printable(str(path.relative_to(root)))
        raise DataRefusedError(f"{name} leads out of the data folder.", "Copy what it points to into the folder.")


def content_of(file: Path) -> bytes | None:
    """As much of a file as the gate reads; None of a folder, a pipe that would wait for ever, a link to nothing."""
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        # One byte more than is allowed, never a whole file of gigabytes: the gate refuses it by itself.
        return stream.read(Limits().max_bytes + 1)


def leads_out(root: Path, path: Path) -> bool:
    """Whether a link leads out of the folder: who sends a folder must not choose what else is read."""
    # Unlike resolve(), realpath() takes links in a ring as they are.
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _normalised(file: Path) -> bytes | str:
    """What the gate makes of a photo, or the reason for its refusal."""
    try:
        content = content_of(file)
        return NOT_A_FILE if content is None else normalised(content)
    except InvalidImageError as error:
        return error.reason.value
    except OSError as exc:
        raise DataRefusedError(f"{printable(str(file))} cannot be read: {exc.strerror}.") from exc


def _from_transformed(folder: Path, listener: Listener) -> LabelledImages:
    manifest = read_manifest(folder)
    entries = [entry for entry in manifest.entries if entry.is_picture]
    class_names = sorted({entry.class_name for entry in entries})
    pictures = all_in_threads(partial(_written, folder), entries, THREADS, listener)
    if not pictures:
        raise DataRefusedError(f"{folder} holds no pictures.", "Transform a source that does.")
    numbers = np.array([class_names.index(entry.class_name) for entry in entries])
    sources = [entry.source for entry in entries]
    layout = str(manifest.facts.get("layout"))
    images = canonical(pictures, numbers, class_names, layout, manifest.refused, sources=sources)
    if images.data_hash() != manifest.data_hash:
        raise DataRefusedError(
            f"{folder} does not hold the pictures that its data manifest tells of.", "Transform again."
        )
    return images


def _written(folder: Path, entry: Entry) -> bytes:
    """A picture as it was written, not encoded again."""
    content = read_entry(folder, entry)
    if not is_normalised(content):
        raise DataRefusedError(f"{entry.path} is no picture that the image gate made.", "Transform again.")
    return content
