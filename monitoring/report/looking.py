"""Where the model looked, in those pictures of the report for which one would ask."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from monitoring.summary import Example
from training.artefact import DEFAULT_MODEL, load_model
from training.data.pictures import decoded
from training.errors import ModelRefusedError
from training.looked import overlay
from training.session import MAP_NAME, gives_maps, run_output
from vehiclevision.image_gate import encode, model_input
from vehiclevision.labels import LABELS

NO_MODEL: Final = "There is no model at hand to say where it looked."
NO_MAPS: Final = "The model at hand cannot say where in a picture it looked."


@dataclass(frozen=True)
class Looked:
    """Tinted JPEGs by the picture's digest, or why there are none."""

    why: str = ""
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def look(examples: Iterable[Example], answered: Collection[str], model_path: Path = DEFAULT_MODEL) -> Looked:
    """Where the model saw the surest label of each example; `answered` are the versions that gave the answers.

    Only the very model that answered can say where it looked.
    """
    asked = {example.digest: (example, example.answer.label) for example in examples if example.answer}
    if not asked:
        return Looked()
    if not model_path.is_file():
        return Looked(NO_MODEL)
    try:
        model = load_model(model_path)
    except ModelRefusedError as error:
        return Looked(error.message)
    if set(answered) != {model.manifest.version}:
        return Looked(f"Only model {model.manifest.version} is at hand, and {_others(answered)}.")
    if not gives_maps(model.session):
        return Looked(NO_MAPS)
    shown = [decoded(example.picture) for example, _ in asked.values()]
    maps = run_output(
        model.session, MAP_NAME, np.stack([np.asarray(model_input(Image.fromarray(picture))) for picture in shown])
    )
    return Looked(
        pictures={
            digest: encode(Image.fromarray(overlay(picture, label_maps[LABELS.index(label)])))
            for (digest, (_, label)), picture, label_maps in zip(asked.items(), shown, maps, strict=True)
        }
    )


def _others(answered: Collection[str]) -> str:
    if not answered:
        return "the records do not say which model answered"
    return "another model answered" if len(answered) == 1 else "several models answered"
