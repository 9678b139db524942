"""Labelled pictures, each as the file that the product's image gate makes of it, in one canonical order.

The same pictures give the same data hash, and the same model, whichever way they came in.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.data.errors import DataRefusedError as DataRefusedError  # noqa: PLC0414 - also found here
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import MAX_JPEG_BYTES, decode, normalise
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE, either

Pixels: TypeAlias = npt.NDArray[np.uint8]
Classes: TypeAlias = npt.NDArray[np.int64]

SIDE: Final = MODEL_INPUT_SIDE
# Decoded, a picture takes 147 KiB: never more than so many at a time.
BATCH: Final = 64
# What Pillow begins a JPEG with when it is given nothing but pixels: a bare JFIF block, then the tables.
_BEGINNING: Final = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb")
_END: Final = bytes.fromhex("ffd9")


@dataclass(frozen=True)
class Refused:
    """One file that the image gate kept out, and its reason code."""

    file: str
    reason: str


@dataclass(frozen=True)
class LabelledImages:
    """Pictures and their class numbers; the product's labels are the first classes.

    `files` holds JPEGs of the model's size, `sources` where each picture comes from ("" where nobody said).
    """

    files: tuple[bytes, ...]
    classes: Classes
    class_names: tuple[str, ...]
    layout: str
    refused: tuple[Refused, ...] = ()
    sources: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, chosen: Classes) -> "LabelledImages":
        """The pictures at the given indices."""
        files = tuple(self.files[index] for index in chosen)
        sources = tuple(self.sources[index] for index in chosen) if self.sources else ()
        return replace(self, files=files, classes=self.classes[chosen], sources=sources)

    def batches(self, size: int = BATCH) -> Iterator[Pixels]:
        """All pictures decoded, uint8 [n, side, side, 3], a few at a time."""
        for start in range(0, len(self.files), size):
            yield stacked(self.files[start : start + size])

    def counts(self) -> dict[str, int]:
        """How many pictures each class has."""
        numbers = Counter(self.classes.tolist())
        return {name: numbers[number] for number, name in enumerate(self.class_names)}

    def data_hash(self) -> str:
        """SHA-256 over class names, class numbers and files."""
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        digest.update(self.classes.tobytes())
        for file in self.files:
            digest.update(hashlib.sha256(file).digest())
        return digest.hexdigest()


def data_manifest(images: LabelledImages) -> dict[str, object]:
    """What was trained on, as plain JSON."""
    sources = Counter(source for source in images.sources if source)
    return {
        "data_hash": images.data_hash(),
        "layout": images.layout,
        "pictures": len(images),
        "classes": images.counts(),
        **({"sources": dict(sorted(sources.items()))} if sources else {}),
        "refused": [{"file": refused.file, "reason": refused.reason} for refused in images.refused],
    }


def evenly(indices: Classes, most: int) -> Classes:
    """At most so many of them, evenly over all."""
    places = np.linspace(0, max(0, len(indices) - 1), min(len(indices), most)).round().astype(np.int64)
    chosen: Classes = indices[places]
    return chosen


def normalised(data: bytes) -> bytes:
    """The file that the product's image gate makes of an upload; what it made before is not encoded again."""
    return data if is_normalised(data) else normalise(data).jpeg


def is_normalised(data: bytes) -> bool:
    """Whether it is a sound JPEG of the model's size without metadata, such as the gate makes."""
    if len(data) > MAX_JPEG_BYTES or not data.startswith(_BEGINNING) or not data.endswith(_END):
        return False
    try:
        image = decode(data)
    except InvalidImageError:
        return False
    return (image.format, image.width, image.height) == ("JPEG", SIDE, SIDE)


def decoded(file: bytes) -> Pixels:
    """The pixels of a file that the gate made, uint8 [side, side, 3]."""
    with Image.open(io.BytesIO(file), formats=["JPEG"]) as image:
        return np.asarray(image.convert("RGB"))


def stacked(files: Sequence[bytes]) -> Pixels:
    """The pixels of several such files, uint8 [n, side, side, 3]."""
    return np.stack([decoded(file) for file in files]) if files else np.zeros((0, SIDE, SIDE, 3), np.uint8)


def mean_levels(file: bytes, mode: str, parts: int) -> npt.NDArray[np.float32]:
    """The mean levels of so many parts a side of such a file; the decoder gives a quarter of it in half the time."""
    with Image.open(io.BytesIO(file), formats=["JPEG"]) as image:
        image.draft(mode, (SIDE // 4, SIDE // 4))
        pixels: Pixels = np.asarray(image.convert(mode))
    block = len(pixels) // parts
    inside = pixels.reshape(parts, block, parts, block, *pixels.shape[2:])
    levels: npt.NDArray[np.float32] = inside.mean(axis=(1, 3), dtype=np.float32)
    return levels


def content_hash(file: bytes) -> str:
    """SHA-256 of a file that the gate made: of its pixels and nothing else, for it holds no metadata."""
    return hashlib.sha256(file).hexdigest()


def canonical(
    files: Sequence[bytes],
    numbers: Classes,
    names: Sequence[str],
    layout: str,
    refused: tuple[Refused, ...],
    *,
    sources: Sequence[str] = (),
) -> LabelledImages:
    """The product's labels first, the other classes by name, pictures by content and source within their class."""
    missing = [label for label in LABELS if label not in names]
    if missing:
        raise DataRefusedError(
            f"The data has no class {either(missing)}, which vehicles.toml names.", "Name its folders after the labels."
        )
    present = {names[number] for number in set(numbers.tolist())}
    class_names = (*LABELS, *sorted(present - set(LABELS)))
    renumbered = np.array([class_names.index(name) if name in class_names else -1 for name in names])[numbers]
    contents = [content_hash(file) for file in files]
    named = sources or [""] * len(files)
    order = sorted(range(len(numbers)), key=lambda index: (renumbered[index], contents[index], named[index]))
    return LabelledImages(
        tuple(files[index] for index in order),
        renumbered[order],
        class_names,
        layout,
        refused,
        tuple(sources[index] for index in order) if any(sources) else (),
    )
