"""Labelled pictures: pixels and class numbers in one canonical order.

The same pictures give the same data hash, and the same model, whichever way they came in.
"""

import hashlib
import io
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.data.errors import DataRefusedError as DataRefusedError  # noqa: PLC0414 - also found here
from vehiclevision.image_gate import encode, normalise
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

Pixels: TypeAlias = npt.NDArray[np.uint8]
Classes: TypeAlias = npt.NDArray[np.int64]

SIDE: Final = MODEL_INPUT_SIDE


@dataclass(frozen=True)
class Refused:
    """One file that the image gate kept out, and its reason code."""

    file: str
    reason: str


@dataclass(frozen=True)
class LabelledImages:
    """Pictures [n, side, side, 3] and their class numbers; the product's labels are the first classes."""

    pixels: Pixels
    classes: Classes
    class_names: tuple[str, ...]
    layout: str
    refused: tuple[Refused, ...] = ()

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, chosen: Classes) -> "LabelledImages":
        """The pictures at the given indices."""
        return replace(self, pixels=self.pixels[chosen], classes=self.classes[chosen])

    def counts(self) -> dict[str, int]:
        """How many pictures each class has."""
        found = Counter(self.classes.tolist())
        return {name: found[number] for number, name in enumerate(self.class_names)}

    def data_hash(self) -> str:
        """SHA-256 over class names, class numbers and pixels."""
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        digest.update(self.classes.tobytes())
        digest.update(np.ascontiguousarray(self.pixels).data)  # not copied: they can be hundreds of megabytes
        return digest.hexdigest()


def data_manifest(images: LabelledImages) -> dict[str, object]:
    """What was trained on, as plain JSON."""
    return {
        "data_hash": images.data_hash(),
        "layout": images.layout,
        "pictures": len(images),
        "classes": images.counts(),
        "refused": [{"file": refused.file, "reason": refused.reason} for refused in images.refused],
    }


def normalised_pixels(data: bytes) -> Pixels:
    """The pixels that the product's image gate makes of a file."""
    with Image.open(io.BytesIO(normalise(data).png)) as image:
        return np.asarray(image.convert("RGB"))


def png(picture: Pixels) -> bytes:
    """The file that the image gate would write for a picture of the model's size."""
    return encode(Image.fromarray(picture))


def content_hash(picture: Pixels) -> str:
    """SHA-256 of the pixels: unlike the file's, it does not depend on how they were compressed."""
    return hashlib.sha256(picture.tobytes()).hexdigest()


def canonical(
    pixels: Pixels, numbers: Classes, names: list[str], layout: str, refused: tuple[Refused, ...]
) -> LabelledImages:
    """The product's labels first, the other classes by name, pictures by content within their class."""
    missing = [label for label in LABELS if label not in names]
    if missing:
        raise DataRefusedError(f"The data has no class {' or '.join(missing)}. Name its folders after the labels.")
    present = {names[number] for number in set(numbers.tolist())}
    class_names = (*LABELS, *sorted(present - set(LABELS)))
    renumbered = np.array([class_names.index(name) if name in class_names else -1 for name in names])[numbers]
    contents = [content_hash(picture) for picture in pixels]
    order = sorted(range(len(numbers)), key=lambda index: (renumbered[index], contents[index]))
    return LabelledImages(np.ascontiguousarray(pixels[order]), renumbered[order], class_names, layout, refused)
