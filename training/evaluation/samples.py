"""The pictures that an evaluation asks about: as the model sees them, by name, and what was refused on the way."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from training.data.extract import Listener, extract
from training.data.pictures import Classes, LabelledImages, Pixels, Refused
from training.data.split import split
from training.data.threads import in_threads
from training.errors import EvaluationRefusedError
from training.evaluation.degrade import DEGRADATIONS, at_working_size
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits, decode, model_input
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

# Is told how many pictures are done, of how many.

# Pillow decodes outside Python's lock. Each thread holds one photo, at most 200 MiB of it.
THREADS: Final = min(4, os.cpu_count() or 1)
# So many vehicles, and so many pictures with neither, are made worse in every way: more cost time and say no more.
MAX_DEGRADED_OF_A_KIND: Final = 1000
NOT_A_FILE: Final = "NOT_A_FILE"
LINK: Final = "LINK"
NO_CLASS: Final = "NO_CLASS"
UNREADABLE: Final = "UNREADABLE"
MAX_NAME_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Samples:
    """Pictures [n, side, side, 3], what they show, and how they are called; `degraded` holds those of `worse`."""

    pixels: Pixels
    classes: Classes
    names: tuple[str, ...]
    refused: tuple[Refused, ...]
    source: str
    data_hash: str
    class_names: tuple[str, ...]
    worse: Classes
    degraded: dict[str, Pixels]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    number: int
    worsen: bool


@dataclass(frozen=True)
class _Seen:
    """What became of one file: its pictures, plain and worse, or the reason for its refusal."""

    pixels: Pixels | None = None
    worse: tuple[Pixels, ...] = ()
    reason: str = ""


def from_folder(folder: Path, listener: Listener, *, robustness: bool) -> Samples:
    """All that lies in a folder per class, through the product's image gate; what it refuses is listed by name."""
    if not folder.is_dir():
        raise EvaluationRefusedError(f"There is no folder {printable(str(folder))}.", "Name one with a folder a class.")
    class_names, files, refused = _walk(folder, robustness=robustness)
    if not class_names:
        raise EvaluationRefusedError(
            f"{printable(str(folder))} holds no folder for any class.",
            f"Put the pictures into folders named {', '.join(LABELS)}, and any other name for neither.",
        )
    seen: list[_Seen] = []
    kept: list[_File] = []
    for done, (file, found) in enumerate(zip(files, in_threads(_look, files, THREADS), strict=True), start=1):
        if found.pixels is None:
            refused.append(Refused(file.name, found.reason))
        else:
            kept.append(file)
            seen.append(found)
        listener(done, len(files))
    if not kept:
        raise EvaluationRefusedError(
            f"{printable(str(folder))} holds no usable picture; {len(refused)} files were refused.",
            "Put JPEG, PNG or WebP files into its class folders.",
        )
    pixels = np.stack([found.pixels for found in seen if found.pixels is not None])
    classes = np.array([file.number for file in kept], dtype=np.int64)
    return Samples(
        pixels=pixels,
        classes=np.minimum(classes, len(LABELS)),
        names=tuple(file.name for file in kept),
        refused=tuple(sorted(refused, key=lambda item: item.file)),
        source="folder",
        data_hash=_hash(pixels, np.minimum(classes, len(LABELS))),
        class_names=tuple(class_names),
        worse=np.flatnonzero([bool(found.worse) for found in seen]),
        degraded=_stacked([found.worse for found in seen if found.worse]) if robustness else {},
    )


def from_validation_part(
    data: Path, expected_hash: str | None, held_out_hash: str | None, listener: Listener, *, robustness: bool
) -> Samples:
    """The validation part of the training data, which the model never saw; other data than it learnt from is refused.

    So is another way to split it. Without hashes, as of an endpoint that does not tell, the data is taken at its word.
    """
    images = extract(data)
    found = images.data_hash()
    if expected_hash is not None and found != expected_hash:
        raise EvaluationRefusedError(
            f"The model learnt from other data than {printable(str(data))} ({expected_hash[:12]}, not {found[:12]}), "
            "so nobody knows which part of it the model has seen.",
            "Give the data it was trained on, or name the pictures' folder instead of --split.",
        )
    held_out = images.part(split(images).validation)
    if held_out_hash is not None and held_out.data_hash() != held_out_hash:
        raise EvaluationRefusedError(
            "The model was trained by a release that held out other pictures, so it has seen some of these.",
            "Train it again with this release, or name a folder of other pictures instead of --split.",
        )
    return from_images(held_out, found, listener, robustness=robustness)


def from_images(images: LabelledImages, data_hash: str, listener: Listener, *, robustness: bool) -> Samples:
    """Pictures of the model's size, which have been through the gate before."""
    classes = np.minimum(images.classes, len(LABELS))
    worse = _evenly(classes) if robustness else np.array([], dtype=np.int64)
    made = []
    for done, several in enumerate(in_threads(_worsened_pixels, (images.pixels[i] for i in worse), THREADS), start=1):
        made.append(several)
        listener(done, len(worse))
    return Samples(
        pixels=images.pixels,
        classes=classes,
        names=tuple(f"{images.class_names[number]} {index}" for index, number in enumerate(images.classes.tolist())),
        refused=images.refused,
        source="validation part of the training data",
        data_hash=data_hash,
        class_names=images.class_names,
        worse=worse,
        degraded=_stacked(made) if made else {},
    )


def printable(name: str) -> str:
    """A name as it can stand in JSON, on a page and in a terminal, whatever bytes it has on disk."""
    plain = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
    return plain if len(plain) <= MAX_NAME_CHARACTERS else plain[: MAX_NAME_CHARACTERS - 1] + "…"


def _walk(folder: Path, *, robustness: bool) -> tuple[list[str], list[_File], list[Refused]]:
    """The class folders by name, all files in them, and what is refused by its place alone."""
    class_names: list[str] = []
    found: list[tuple[Path, str, int]] = []
    refused: list[Refused] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: os.fsencode(entry.name)):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            refused.append(Refused(printable(entry.name), NO_CLASS))
        elif _leads_out(folder, entry):
            refused.append(Refused(printable(entry.name), LINK))
        else:
            class_names.append(printable(entry.name))
            number = class_number(entry.name)
            for path, name in _below(entry):
                if _leads_out(folder, path):
                    refused.append(Refused(name, LINK))
                else:
                    found.append((path, name, number))
    chosen = set(_evenly(np.array([number for *_, number in found], dtype=np.int64)).tolist()) if robustness else set()
    return class_names, [_File(*item, index in chosen) for index, item in enumerate(found)], refused


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


def _leads_out(root: Path, path: Path) -> bool:
    """Whether a link leads out of the folder: who sends a folder must not choose what else is read."""
    return path.is_symlink() and not path.resolve().is_relative_to(root.resolve())


def _look(file: _File) -> _Seen:
    limits = Limits()
    try:
        # A pipe would wait for a writer for ever; it is opened without waiting, and then refused.
        descriptor = os.open(file.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return _Seen(reason=NOT_A_FILE)
            # One byte more than is allowed, never a whole file of gigabytes, and the gate refuses it by itself.
            data = stream.read(limits.max_bytes + 1)
        working = decode(data, limits).working
    except InvalidImageError as error:
        return _Seen(reason=error.reason.value)
    except IsADirectoryError:
        return _Seen(reason=NOT_A_FILE)
    except OSError:
        return _Seen(reason=UNREADABLE)
    return _Seen(np.asarray(model_input(working)), _worsened(working) if file.worsen else ())


def _worsened_pixels(pixels: Pixels) -> tuple[Pixels, ...]:
    return _worsened(Image.fromarray(pixels))


def _worsened(working: Image.Image) -> tuple[Pixels, ...]:
    """The model's input of the picture in each worse state, in the order of DEGRADATIONS."""
    large = at_working_size(working)
    return tuple(np.asarray(model_input(degradation.apply(large))) for degradation in DEGRADATIONS.values())


def _stacked(made: list[tuple[Pixels, ...]]) -> dict[str, Pixels]:
    empty = np.zeros((0, MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3), np.uint8)
    by_way = zip(*made, strict=True) if made else ([] for _ in DEGRADATIONS)
    return {name: np.stack(list(some)) if made else empty for name, some in zip(DEGRADATIONS, by_way, strict=True)}


def _evenly(classes: Classes) -> Classes:
    """At most so many vehicles and so many pictures with neither, evenly over all of them."""
    kinds = (np.flatnonzero(classes < len(LABELS)), np.flatnonzero(classes >= len(LABELS)))
    chosen = [
        kind[np.linspace(0, len(kind) - 1, min(len(kind), MAX_DEGRADED_OF_A_KIND)).round().astype(np.int64)]
        for kind in kinds
    ]
    return np.sort(np.concatenate(chosen))


def _hash(pixels: Pixels, classes: Classes) -> str:
    """SHA-256 over what is asked, in an order of its own, so that file names do not matter."""
    single = sorted(
        hashlib.sha256(bytes([number]) + picture.tobytes()).digest()
        for picture, number in zip(pixels, classes.tolist(), strict=True)
    )
    return hashlib.sha256(b"".join(single)).hexdigest()
