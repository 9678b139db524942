"""Photos as the page shows them: never the uploaded bytes, always a picture that the gate decoded and we made anew."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from PIL import Image

from console.errors import ConsoleError
from console.ledger import Identity
from vehiclevision.image_gate import Limits, decode, encode, model_input
from vehiclevision.record import NO_VERSION
from vehiclevision.requests import ObjectVersion
from vehiclevision.storage import read_version

MOST_CACHED_BYTES: Final = 64 * 1024 * 1024
# A hostile file may take the gate's whole allowance of memory: so many at a time.
DECODED_AT_ONCE: Final = 2
THUMBNAIL_SIDE: Final = 176
QUALITY: Final = 86

# Tints a picture where the model of that name saw a label.
Tint: TypeAlias = Callable[[Image.Image, str, str], Image.Image]


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
    tint: Tint | None = None
    limits: Limits = field(default_factory=Limits)
    _made: OrderedDict[tuple[Identity, str], bytes] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _decoding: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(DECODED_AT_ONCE))

    def jpeg(self, photo: Identity, view: View, label: str = "", model: str = "") -> bytes:
        """A photo in one view; InvalidImageError if it is no picture, ConsoleError if there is no such view of it.

        `label` is what that model is asked about where it looked.
        """
        name = photo, f"{view}/{label}/{model}"
        with self._lock:
            if name in self._made:
                self._made.move_to_end(name)
                return self._made[name]
        with self._decoding:
            made = self._view(self._decoded(photo), view, label, model)
        with self._lock:
            self._made[name] = made
            self._bytes = sum(map(len, self._made.values()))
            while self._bytes > MOST_CACHED_BYTES:
                self._bytes -= len(self._made.popitem(last=False)[1])
        return made

    def _view(self, working: Image.Image, view: View, label: str, model: str) -> bytes:
        if view is View.MODEL:
            return encode(model_input(working))
        if view is View.LOOKED:
            if self.tint is None:
                raise ConsoleError("No model is at hand that says where it looked.", "Look at the photo as uploaded.")
            return _encoded(self.tint(working, label, model))
        if view is View.UPLOADED:
            return _encoded(working)
        small = working.copy()
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC)
        return _encoded(small)

    def _decoded(self, photo: Identity) -> Image.Image:
        bucket, key, version = photo
        asked = ObjectVersion(bucket, key, None if version in ("", NO_VERSION) else version)
        return decode(read_version(self.s3, asked, self.limits.max_bytes).data, self.limits).working


def _encoded(picture: Image.Image) -> bytes:
    """A JPEG of the pixels alone."""
    stream = io.BytesIO()
    Image.frombytes("RGB", picture.size, picture.tobytes()).save(stream, format="JPEG", quality=QUALITY)
    return stream.getvalue()
