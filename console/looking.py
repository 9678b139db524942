"""Where the model at hand looked: whether it can say so of a photo, and the photo tinted with it."""

from functools import cache

import numpy as np
from PIL import Image

from console.errors import ConsoleError
from training.artefact import DEFAULT_MODEL, Model, load_model
from training.errors import ModelRefusedError
from training.looked import overlay
from training.session import gives_maps, run_maps
from vehiclevision.image_gate import model_input
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE


def can_look(model_version: str | None) -> bool:
    """Whether the model that answered is at hand and can say where it looked."""
    model = model_at_hand()
    return model is not None and model.manifest.version == model_version and gives_maps(model.session)


@cache
def model_at_hand() -> Model | None:
    """The shipped model, read once; None if it cannot be used."""
    try:
        return load_model(DEFAULT_MODEL)
    except ModelRefusedError:
        return None


def tinted(working: Image.Image, label: str | None) -> Image.Image:
    """Tinted where the model saw the label, in the picture's own proportions; ConsoleError where it cannot say."""
    model = model_at_hand()
    if model is None or not gives_maps(model.session) or label not in LABELS:
        raise ConsoleError("The model at hand cannot say where it looked.", "Look at the photo as it was uploaded.")
    [maps] = run_maps(model.session, np.asarray(model_input(working))[np.newaxis])
    shown = working.copy()
    shown.thumbnail((2 * MODEL_INPUT_SIDE, 2 * MODEL_INPUT_SIDE))
    return Image.fromarray(overlay(np.asarray(shown), maps[LABELS.index(label)]))
