"""Draws where a model looked: the activation map of a label as a warm tint over the picture."""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.data.pictures import Pixels

_TINT: Final = np.array([255, 84, 0], np.float32)
# How much of the tint the strongest spot takes; the rest stays picture.
_STRONGEST: Final = 0.6


def overlay(picture: Pixels, activation_map: npt.NDArray[np.floating]) -> Pixels:
    """The RGB picture, tinted where the map [rows, columns] speaks for the label; untouched where nothing does."""
    height, width, _ = picture.shape
    strength = np.where(np.isfinite(activation_map), np.maximum(activation_map, 0), 0).astype(np.float32)
    if (largest := float(strength.max(initial=0))) <= 0:
        return picture.copy()
    smooth = Image.fromarray(strength / largest).resize((width, height), Image.Resampling.BICUBIC)
    # Bicubic steps a little over the values that it joins.
    share = _STRONGEST * np.clip(np.asarray(smooth), 0, 1)[:, :, np.newaxis]
    tinted: Pixels = np.round(picture * (1 - share) + _TINT * share).astype(np.uint8)
    return tinted
