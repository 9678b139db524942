"""Where a model saw the label: the one that ships, or any registered one, by its name."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image

from console.deployed import Deployed
from console.errors import ConsoleError
from console.served import Served, aws_of
from lifecycle.images import OWN
from vehiclevision.image_gate import model_input
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

if TYPE_CHECKING:
    from lifecycle.registry import Version
    from training.artefact import Model

MOST_MODELS: Final = 2
_CANNOT: Final = ("The model that answered cannot say where it looked.", "Look at the photo as it was uploaded.")


def models_run_here() -> bool:
    """Whether there is what runs a model: not in Lambda's oldest Python, whose system is too old for it."""
    return find_spec("onnxruntime") is not None


@cache
def shipped() -> "Model | None":
    """The shipped model, read once; None if it cannot be used."""
    # Half a second of imports that no other page need wait for, here and below.
    from training.artefact import DEFAULT_MODEL, load_model  # noqa: PLC0415
    from training.errors import ModelRefusedError  # noqa: PLC0415

    try:
        return load_model(DEFAULT_MODEL)
    except ModelRefusedError:
        return None


@dataclass
class Looking:
    """Models that are read once and kept."""

    deployed: Deployed
    served: Callable[[], Served | None]
    _models: dict[str, "Model | None"] = field(default_factory=dict)

    def can(self, model_version: str | None) -> bool:
        """Whether the model that answered is known and, as far as that is known, can say where it looked."""
        if model_version in self._models:
            return self._models[model_version] is not None
        if model_version is None:
            return False
        return _is_shipped(model_version) or self._registered(model_version) is not None

    def tinted(self, working: Image.Image, label: str, model_version: str) -> Image.Image:
        """Tinted where that model saw the label, in the picture's own proportions; ConsoleError where it cannot say."""
        import numpy as np  # noqa: PLC0415

        from training.looked import overlay  # noqa: PLC0415
        from training.session import MAP_NAME, run_output  # noqa: PLC0415

        model = self._model(model_version)
        if model is None or label not in LABELS:
            raise ConsoleError(*_CANNOT)
        [maps] = run_output(model.session, MAP_NAME, np.asarray(model_input(working))[np.newaxis])
        shown = working.copy()
        shown.thumbnail((2 * MODEL_INPUT_SIDE, 2 * MODEL_INPUT_SIDE))
        return Image.fromarray(overlay(np.asarray(shown), maps[LABELS.index(label)]))

    def _model(self, version: str) -> "Model | None":
        if version not in self._models:
            model = self._read(version)
            if len(self._models) >= MOST_MODELS:
                self._models.clear()
            self._models[version] = model
        return self._models[version]

    def _read(self, version: str) -> "Model | None":
        """The model of that name; None if it cannot say where it looked."""
        from console.versions import model_of  # noqa: PLC0415
        from training.session import gives_maps  # noqa: PLC0415

        if _is_shipped(version):
            model = shipped()
        elif registered := self._registered(version):
            model = model_of(aws_of(self.deployed), registered)
        else:
            raise ConsoleError(*_CANNOT)
        return model if model and gives_maps(model.session) else None

    def _registered(self, version: str) -> "Version | None":
        """A registered version of ours under that name, as far as that is known by now."""
        known = None
        with contextlib.suppress(ClientError, BotoCoreError):
            known = self.served()
        versions = known.versions if known else ()
        return next((each for each in versions if (each.model, each.algorithm) == (version, OWN)), None)


def _is_shipped(version: str) -> bool:
    model = shipped()
    return model is not None and model.manifest.version == version
