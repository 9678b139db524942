"""A fingerprint of what a picture shows, which re-encoding and scaling do not change: 8 x 8 grey levels.

Measured over the 4,157 listed photos: each of them scaled to 0.6, 1.31, 2 and 3 times its size and encoded anew, or
saved as PNG, agrees with its own fingerprint at 0.989 or more; of 17 million pairs of different photos, which hold some
bursts and near-duplicates, 49 reach 0.98.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from training.data.pictures import mean_levels

GRID: Final = 8
LEVELS: Final = 15
# The correlation from which on a picture counts as the one that a fingerprint was taken of.
SAME_PICTURE_CORRELATION: Final = 0.98

_Grid = npt.NDArray[np.float32]


def fingerprint(file: bytes) -> str:
    """64 hexadecimal digits, one for each part of a file that the gate made: 0 is its darkest part, f its brightest."""
    grey = mean_levels(file, "L", GRID)
    spread = max(float(np.ptp(grey)), 1e-6)
    return "".join(f"{round(level):x}" for level in ((grey - grey.min()) / spread * LEVELS).ravel().tolist())


def agrees(file: bytes, known: str) -> bool:
    """Whether the file that the gate made shows what the fingerprint was taken of."""
    levels = np.array([int(digit, 16) for digit in known], np.float32)
    return float(_direction(mean_levels(file, "L", GRID).ravel()) @ _direction(levels)) >= SAME_PICTURE_CORRELATION


def _direction(levels: _Grid) -> _Grid:
    """The unit vector whose dot product with another is their correlation; nothing, for a plain picture."""
    centred = levels - levels.mean()
    unit: _Grid = centred / max(float(np.linalg.norm(centred)), 1e-6)
    return unit
