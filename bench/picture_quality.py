"""What the JPEG between the steps costs: `python -m bench.picture_quality --photos DIR [--model FILE]`.

DIR holds a folder of photos per class. Each photo goes through the image gate, and to the model as the very pixels that
the gate made and as JPEGs of several qualities. Printed is how long each is in base64, as it stands in the workflow's
states, and how far the model's answers move from those to the lossless picture.
"""

import argparse
import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.tables import table
from training.artefact import DEFAULT_MODEL, Model, load_model
from training.session import BATCH, Images, Probabilities
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import MAX_JPEG_BYTES, decode, model_input
from vehiclevision.labels import LABELS

LOSSLESS: Final = "lossless"
QUALITIES: Final = (95, 90, 85, 75, 60)
REVIEW: Final = len(LABELS)
COLUMNS: Final = (
    *("quality", "median KB", "99 %", "most", "> 64 KB", "right %", "pass", "wrong"),
    *("mean change", "largest", "decided anew"),
)


@dataclass
class Travelled:
    """One encoding of all photos: characters in base64, and the model's answers."""

    characters: list[int] = field(default_factory=list)
    answers: list[Probabilities] = field(default_factory=list)

    def confidences(self) -> Probabilities:
        """The higher probability of each photo."""
        highest: Probabilities = np.concatenate(self.answers).max(axis=1)
        return highest

    def labels(self) -> Images:
        """The number of the label that each photo's higher probability is of."""
        surest: Images = np.concatenate(self.answers).argmax(axis=1).astype(np.uint8)
        return surest

    def decisions(self, threshold: float) -> Images:
        """The number of the label that each photo passes with, or REVIEW."""
        return np.where(self.confidences() >= threshold, self.labels(), np.uint8(REVIEW))


def photos(folder: Path) -> Iterator[tuple[Image.Image, str]]:
    """Each photo that the gate takes, as the model would see it without a JPEG between, and its folder's name."""
    for path in sorted(folder.glob("*/*")):
        try:
            yield model_input(decode(path.read_bytes()).working), path.parent.name
        except InvalidImageError:
            continue


def encoded(picture: Image.Image, quality: int | None) -> bytes:
    """The picture as a JPEG of this quality, or as a PNG without one."""
    buffer = io.BytesIO()
    if quality is None:
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def measure(model: Model, pictures: Sequence[Image.Image], quality: int | None) -> Travelled:
    """Encode all, and ask the model about what comes out again."""
    travelled = Travelled()
    for start in range(0, len(pictures), BATCH):
        files = [encoded(picture, quality) for picture in pictures[start : start + BATCH]]
        travelled.characters += [len(base64.b64encode(file)) for file in files]
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
        travelled.answers.append(model.predict(pixels))
    return travelled


def row(name: str, travelled: Travelled, lossless: Travelled, classes: Images, threshold: float) -> list[str]:
    """One line of the table; right is the share of vehicles whose label has the higher probability."""
    kilobytes = np.array(travelled.characters) / 1024
    too_large = int(np.sum(np.array(travelled.characters) > MAX_JPEG_BYTES * 4 / 3))
    moved = np.abs(travelled.confidences() - lossless.confidences())
    vehicles = classes < REVIEW
    right = float(np.mean(travelled.labels()[vehicles] == classes[vehicles]))
    decisions, before = travelled.decisions(threshold), lossless.decisions(threshold)
    wrong = int(np.sum((decisions != REVIEW) & (decisions != classes)))
    return [
        name,
        *(f"{value:.1f}" for value in (np.median(kilobytes), np.percentile(kilobytes, 99), kilobytes.max())),
        str(too_large),
        f"{100 * right:.1f}",
        str(int(np.sum(decisions != REVIEW))),
        str(wrong),
        f"{moved.mean():.4f}",
        f"{moved.max():.3f}",
        str(int(np.sum(decisions != before))),
    ]


def run(folder: Path, model: Model) -> Table:
    """The table, a row an encoding."""
    pictures, names = zip(*photos(folder), strict=True)
    classes = np.array([LABELS.index(name) if name in LABELS else REVIEW for name in names], np.uint8)
    threshold = model.manifest.threshold
    title = f"{len(pictures)} photos, model {model.manifest.version}, threshold {threshold}"
    lossless = measure(model, pictures, None)
    encodings = {LOSSLESS: lossless, **{str(quality): measure(model, pictures, quality) for quality in QUALITIES}}
    rows = [row(name, travelled, lossless, classes, threshold) for name, travelled in encodings.items()]
    return table(title, COLUMNS, rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture_quality", description="What the JPEG costs.")
    parser.add_argument("--photos", type=Path, metavar="DIR", required=True, help="photos, a folder per class")
    parser.add_argument("--model", type=Path, metavar="FILE", default=DEFAULT_MODEL, help="the model.tar.gz to ask")
    options = parser.parse_args()
    Console(width=120).print(run(options.photos, load_model(options.model)))


if __name__ == "__main__":
    main()
