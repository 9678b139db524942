"""Which kinds of photos fail: shares of those that are small, dark, grey and so on, and of each source.

A kind is told by what can be measured of every picture, without knowing what it shows; each limit was chosen by
looking at photos on both sides of it. From which side a vehicle was taken, and whether all of it is in the picture,
cannot be measured so, and is not reported.
"""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image

from training.evaluation.plain import plain
from training.evaluation.scores import Flags, Judged, shares
from vehiclevision.image_gate import NormalisedImage

# Of fewer pictures a share says next to nothing, so none is given.
LEAST: Final = 20
# A folder may name thousands of sources; those with the most pictures are shown.
MAX_SOURCES: Final = 30
NOT_MEASURED: Final = "Angle and crop are not reported: nothing that is measured of a picture tells them."

_COLOURED_PERCENTILE: Final = 98


@dataclass(frozen=True)
class Looks:
    """What was measured of a picture; `shape` is the upload's width and height, None where nobody knows them."""

    shape: tuple[int, int] | None
    brightness: float
    contrast: float
    sharpness: float
    colour: float


@dataclass(frozen=True)
class Kind:
    """A kind of photo, and how it is told; the test says None of a picture of which that is not known."""

    name: str
    means: str
    is_one: Callable[[Looks], bool | None]


def looks(picture: NormalisedImage, *, as_uploaded: bool = True) -> Looks:
    """The measurements of a picture from the gate; the gate's own files say nothing of the upload's shape."""
    measured = picture.measurements
    with Image.open(io.BytesIO(picture.jpeg), formats=["JPEG"]) as image:
        # Eight times smaller is plenty to tell colour from none.
        image.draft("RGB", (1, 1))
        levels = np.asarray(image.convert("RGB"), dtype=np.float64) / 255
    coloured = float(np.percentile(levels.max(axis=2) - levels.min(axis=2), _COLOURED_PERCENTILE))
    shape = (measured.width, measured.height) if as_uploaded else None
    return Looks(shape, measured.brightness, measured.contrast, measured.sharpness, coloured)


def _small(seen: Looks) -> bool | None:
    return None if seen.shape is None else max(seen.shape) <= 130


def _elongated(seen: Looks) -> bool | None:
    return None if seen.shape is None else max(seen.shape) >= 1.8 * min(seen.shape)


ALL: Final = Kind("all", "every picture", lambda seen: True)
KINDS: Final = (
    ALL,
    Kind("small", "longer side at most 130 pixels", _small),
    Kind("dark", "mean brightness below 30 %", lambda seen: seen.brightness < 0.3),
    Kind("low contrast", "spread of the grey levels below 15 %", lambda seen: seen.contrast < 0.15),
    Kind("blurred", "fine detail below a tenth of the contrast", lambda seen: seen.sharpness < 0.1 * seen.contrast),
    Kind("elongated", "one side at least 1.8 times the other", _elongated),
    Kind("grey", "hardly any colour anywhere", lambda seen: seen.colour <= 0.05),
)


def kinds(judged: Judged, seen: Sequence[Looks], sources: Sequence[str], threshold: float) -> dict[str, Any]:
    """The shares of each kind and of each source, of too few pictures only their number.

    Of kinds that are `unknown` not every picture could be told to be one.
    """
    slices, unknown = [], []
    for kind in KINDS:
        told = [kind.is_one(each) for each in seen]
        if None in told:
            unknown.append(kind.name)
        else:
            slices.append(_slice(kind.name, kind.means, judged, np.array(told, dtype=bool), threshold))
    named = np.array(sources, dtype=object)
    counts = Counter(source for source in sources if source)
    # Of as many pictures, by name: whatever order the files lie in, the same sources are shown.
    largest = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_SOURCES]
    by_source = [_slice(name, "", judged, named == name, threshold) for name in largest]
    return {
        "slices": slices,
        "unknown": unknown,
        "sources": by_source,
        "sources_total": len(counts),
        "least": LEAST,
        "not_measured": NOT_MEASURED,
    }


def _slice(name: str, means: str, judged: Judged, chosen: Flags, threshold: float) -> dict[str, Any]:
    return {"kind": name, "means": means, **plain(shares(judged.part(chosen), threshold, LEAST))}
