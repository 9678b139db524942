"""The pictures that an evaluation asks about: as the gate hands them on, by name, and what was refused on the way."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from training.data.extract import NOT_A_FILE, content_of, extract, leads_out, source_of
from training.data.pictures import Classes, Refused, content_hash, evenly
from training.data.split import HeldOutDiffersError, parts_of_model, split
from training.data.threads import THREADS, Listener, all_in_threads, in_threads
from training.errors import EvaluationRefusedError
from training.evaluation.degrade import degraded
from training.evaluation.kinds import Looks, looks
from vehiclevision import refusal
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import TAKEN, normalise
from vehiclevision.labels import LABELS, either

# So many vehicles, and so many pictures with neither, are made worse in every way, which bounds the time it takes.
MAX_DEGRADED_OF_A_KIND: Final = 100
LINK: Final = "LINK"
NO_CLASS: Final = "NO_CLASS"
UNREADABLE: Final = "UNREADABLE"
VALIDATION_PART: Final = "validation part of the training data"
MAX_NAME_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Samples:
    """Pictures as the gate hands them on, what they show and look like, where they come from, and how they are called.

    `worse` are those that are also made worse; none where nobody asked. `paths` are the files that they were read from;
    none of the training data.
    """

    files: tuple[bytes, ...]
    classes: Classes
    looks: tuple[Looks, ...]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    refused: tuple[Refused, ...]
    source: str
    data_hash: str
    class_names: tuple[str, ...]
    worse: Classes
    paths: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, chosen: Classes | list[int]) -> tuple[bytes, ...]:
        """The files at the given indices."""
        return tuple(self.files[index] for index in chosen)

    def worsened(self, name: str) -> Iterator[bytes]:
        """The files of `worse`, made worse in this way."""
        shapes = [each.shape for each in self.looks]
        return in_threads(lambda index: degraded(name, self.files[index], shapes[index]), self.worse.tolist(), THREADS)


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    number: int


def from_folder(folder: Path, listener: Listener, *, robustness: bool) -> Samples:
    """All that lies in a folder per class, through the product's image gate; what it refuses is listed by name."""
    if not folder.is_dir():
        raise EvaluationRefusedError(f"There is no folder {printable(str(folder))}.", "Name one with a folder a class.")
    class_names, files, refused = _walk(folder)
    if not class_names:
        raise EvaluationRefusedError(
            f"{printable(str(folder))} holds no folder for any class.",
            f"Put the pictures into folders named {', '.join(LABELS)}, and any other name for neither.",
        )
    outcomes = list(zip(files, all_in_threads(_look, files, THREADS, listener), strict=True))
    refused += [Refused(file.name, outcome) for file, outcome in outcomes if isinstance(outcome, str)]
    kept = [file for file, outcome in outcomes if not isinstance(outcome, str)]
    seen = [outcome for _, outcome in outcomes if not isinstance(outcome, str)]
    if not kept:
        raise EvaluationRefusedError(
            f"{printable(str(folder))} holds no usable picture; {len(refused)} files were refused.",
            f"Put {either(TAKEN)} files into its class folders.",
        )
    classes = np.minimum(np.array([file.number for file in kept], dtype=np.int64), len(LABELS))
    return Samples(
        files=tuple(jpeg for jpeg, _ in seen),
        classes=classes,
        looks=tuple(each for _, each in seen),
        names=tuple(file.name for file in kept),
        sources=tuple(source_of(file.name) for file in kept),
        refused=tuple(sorted(refused, key=lambda item: item.file)),
        source="folder",
        data_hash=_hash([jpeg for jpeg, _ in seen], classes),
        class_names=tuple(class_names),
        worse=_evenly(classes, MAX_DEGRADED_OF_A_KIND if robustness else 0),
        paths=tuple(file.path for file in kept),
    )


def from_validation_part(
    data: Path, manifest: Mapping[str, Any] | None, listener: Listener, *, robustness: bool
) -> Samples:
    """The validation part of the training data, which the model never saw; other data than it learnt from is refused.

    So is another way to split it. Without a manifest, as of an endpoint, the data is taken at its word.
    """
    images = extract(data)
    try:
        parts = split(images) if manifest is None else parts_of_model(images, manifest)
    except HeldOutDiffersError as error:
        raise EvaluationRefusedError(
            "The model was trained by a release that held out other pictures, so it has seen some of these.",
            "Train it again with this release, or name a folder of other pictures instead of --split.",
        ) from error
    data_hash = images.data_hash()
    if parts is None:
        raise EvaluationRefusedError(
            f"The model learnt from other data than {printable(str(data))} ({data_hash[:12]}), "
            "so nobody knows which part of it the model has seen.",
            "Give the data it was trained on, or name the pictures' folder instead of --split.",
        )
    images = images.part(parts.validation)
    classes = np.minimum(images.classes, len(LABELS))
    seen = all_in_threads(lambda file: looks(normalise(file), as_uploaded=False), images.files, THREADS, listener)
    return Samples(
        files=images.files,
        classes=classes,
        looks=tuple(seen),
        names=tuple(f"{images.class_names[number]} {index}" for index, number in enumerate(images.classes.tolist())),
        sources=images.sources or ("",) * len(images),
        refused=images.refused,
        source=VALIDATION_PART,
        data_hash=data_hash,
        class_names=images.class_names,
        worse=_evenly(classes, MAX_DEGRADED_OF_A_KIND if robustness else 0),
    )


def printable(name: str) -> str:
    """A name as it can stand in JSON, on a page and in a terminal, and no longer than fits there."""
    plain = refusal.printable(name)
    return plain if len(plain) <= MAX_NAME_CHARACTERS else plain[: MAX_NAME_CHARACTERS - 1] + "…"


def _walk(folder: Path) -> tuple[list[str], list[_File], list[Refused]]:
    """The class folders by name, all files in them, and what is refused by its place alone."""
    class_names: list[str] = []
    files: list[_File] = []
    refused: list[Refused] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: os.fsencode(entry.name)):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            refused.append(Refused(printable(entry.name), NO_CLASS))
        elif leads_out(folder, entry):
            refused.append(Refused(printable(entry.name), LINK))
        else:
            class_names.append(printable(entry.name))
            number = class_number(entry.name)
            for path, name in _below(entry):
                if leads_out(folder, path):
                    refused.append(Refused(name, LINK))
                else:
                    files.append(_File(path, name, number))
    return class_names, files, refused


def class_number(folder_name: str) -> int:
    """Which label a folder is named after, however it is capitalised; any other name is neither."""
    plain = folder_name.strip().casefold()
    return LABELS.index(plain) if plain in LABELS else len(LABELS)


def _below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a class, from folders inside as well; hidden ones are nobody's photos."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(path, name).is_symlink()]
        for name in sorted((*files, *links)):
            if not name.startswith("."):
                file = Path(path, name)
                yield file, printable(str(file.relative_to(folder.parent)))


def _look(file: _File) -> tuple[bytes, Looks] | str:
    """What the gate makes of a file and how it looks, or the reason for its refusal."""
    try:
        content = content_of(file.path)
        if content is None:
            return NOT_A_FILE if file.path.exists() else UNREADABLE
        picture = normalise(content)
    except InvalidImageError as error:
        return error.reason.value
    except OSError:
        return UNREADABLE
    return picture.jpeg, looks(picture)


def _evenly(classes: Classes, most: int) -> Classes:
    """At most so many vehicles and so many pictures with neither, evenly over all of them."""
    kinds = (np.flatnonzero(classes < len(LABELS)), np.flatnonzero(classes >= len(LABELS)))
    return np.sort(np.concatenate([evenly(kind, most) for kind in kinds]))


def _hash(files: list[bytes], classes: Classes) -> str:
    """SHA-256 over what is asked, in an order of its own, so that file names do not matter."""
    single = sorted(f"{number} {content_hash(file)}" for file, number in zip(files, classes.tolist(), strict=True))
    return hashlib.sha256("\n".join(single).encode()).hexdigest()
