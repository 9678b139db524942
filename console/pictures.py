"""Photos as the page shows them: never the uploaded bytes, always a picture that the gate decoded and we made anew."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
from PIL import Image

from console.errors import ConsoleError
from training.artefact import DEFAULT_MODEL, Model, load_model
from training.errors import ModelRefusedError
from training.looked import overlay
from training.session import gives_maps, run_maps
from vehiclevision.image_gate import Limits, decode, encode, model_input
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE
from vehiclevision.record import NO_VERSION
from vehiclevision.requests import ObjectVersion
from vehiclevision.storage import read_version

MOST_CACHED_BYTES: Final = 64 * 1024 * 1024
# A hostile file may take the gate's whole allowance of memory: so many at a time.
DECODED_AT_ONCE: Final = 2
THUMBNAIL_SIDE: Final = 176
QUALITY: Final = 86

Identity: TypeAlias = tuple[str, str, str]


class View(StrEnum):
    """How a photo may be looked at."""

    SMALL = "small"
    UPLOADED = "uploaded"
    MODEL = "model"
    LOOKED = "looked"


@dataclass
class Pictures:
    """JPEGs of photos, made when they are asked for and kept for a while."""

    s3: Any
    limits: Limits = field(default_factory=Limits)
    _made: OrderedDict[tuple[Identity, str], bytes] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _decoding: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(DECODED_AT_ONCE))

    def jpeg(self, photo: Identity, view: View, label: str | None = None) -> bytes:
        """A photo in one view; InvalidImageError if it is no picture, ConsoleError if there is no such view of it.

        `label` is what the model is asked about where it looked.
        """
        name = photo, f"{view}/{label or ''}"
        with self._lock:
            if name in self._made:
                self._made.move_to_end(name)
                return self._made[name]
        with self._decoding:
            made = _VIEWS[view](self._decoded(photo), label)
        with self._lock:
            self._made[name] = made
            self._bytes = sum(map(len, self._made.values()))
            while self._bytes > MOST_CACHED_BYTES:
                self._bytes -= len(self._made.popitem(last=False)[1])
        return made

    def _decoded(self, photo: Identity) -> Image.Image:
        bucket, key, version = photo
        asked = ObjectVersion(bucket, key, None if version in ("", NO_VERSION, "null") else version)
        return decode(read_version(self.s3, asked, self.limits.max_bytes).data, self.limits).working


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


def _small(working: Image.Image, label: str | None) -> bytes:
    small = working.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC)
    return _encoded(small)


def _uploaded(working: Image.Image, label: str | None) -> bytes:
    return _encoded(working)


def _seen(working: Image.Image, label: str | None) -> bytes:
    return encode(model_input(working))


def _looked(working: Image.Image, label: str | None) -> bytes:
    """Tinted where the model saw the label, in the picture's own proportions."""
    model = model_at_hand()
    if model is None or not gives_maps(model.session) or label not in LABELS:
        raise ConsoleError("The model at hand cannot say where it looked.", "Look at the photo as it was uploaded.")
    [maps] = run_maps(model.session, np.asarray(model_input(working))[np.newaxis])
    shown = working.copy()
    shown.thumbnail((2 * MODEL_INPUT_SIDE, 2 * MODEL_INPUT_SIDE))
    return _encoded(Image.fromarray(overlay(np.asarray(shown), maps[LABELS.index(label)])))


def _encoded(picture: Image.Image) -> bytes:
    """A JPEG of the pixels alone."""
    stream = io.BytesIO()
    Image.frombytes("RGB", picture.size, picture.tobytes()).save(stream, format="JPEG", quality=QUALITY)
    return stream.getvalue()


_VIEWS: Final[dict[View, Callable[[Image.Image, str | None], bytes]]] = {
    View.SMALL: _small,
    View.UPLOADED: _uploaded,
    View.MODEL: _seen,
    View.LOOKED: _looked,
}
