"""What a model's container does with a request: the picture decoded and predicted, one a thread, and nothing of it on
the event loop unless whoever asks does so alone.

A prediction takes about ten milliseconds of one core. Batches, and several cores for one picture, were measured and
left out: both cost more of the cores' time for each picture than they save (docs/decisions/0008-sagemaker-side.md).
"""

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from training.artefact import Model
from training.session import INPUT_NAME, MAP_NAME, OUTPUT_NAME, Images, gives_maps
from vehiclevision import image_gate
from vehiclevision.errors import InvalidImageError
from vehiclevision.labels import MODEL_INPUT_SIDE

# Decoding a hostile file may take 300 MiB: this many at a time.
MAX_DECODED_AT_A_TIME: Final = 2
# Without the network one process answers about 1,000 pictures a second: this many threads never ask for as much.
PREDICTING_THREADS: Final = min(os.cpu_count() or 1, 8)
# Requests that are in hand together hold no more: some 6,000 pictures as the gate writes them, a minute's work.
MAX_BYTES_IN_HAND: Final = 256 * 1024 * 1024
# Whoever asks gives up after 20 s (vehiclevision.settings): for a picture that has waited longer than this nothing is
# done. Else a crowd has all answers come too late: docs/guide/measurements.md.
MAX_WAITING_SECONDS: Final = 10.0
CONTENT_TYPES: Final = frozenset({"image/png", "image/jpeg", "application/x-image"})
# The caller's word, among its own custom attributes, for an answer that says where the model looked.
ACTIVATION_MAP: Final = "activation-map"
# Differences smaller than this cannot be seen in a picture of the map.
MAP_DIGITS: Final = 4

# Of a JPEG as the gate writes it: one JFIF header, two tables of steps, the frame, four tables of codes, one scan.
MAX_READY_SEGMENTS: Final = 16
_START: Final = b"\xff\xd8"
_END: Final = b"\xff\xd9"
_FRAME: Final = b"\xff\xc0"
_SCAN: Final = b"\xff\xda"
_TABLES: Final = frozenset({b"\xff\xe0", b"\xff\xdb", b"\xff\xc4"})
# 8 bits, height, width, three colours.
_READY_FRAME: Final = b"\x08" + MODEL_INPUT_SIDE.to_bytes(2, "big") * 2 + b"\x03"


class ContainerError(Exception):
    """The model container answers with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


# ---- one picture ---------------------------------------------------------------------------------


def decode(data: bytes) -> Images:
    """The picture as the model takes it, or the refusal a container would give."""
    try:
        return np.asarray(image_gate.model_input(image_gate.decode(data).working))
    except InvalidImageError as error:
        raise ContainerError(400, f"unable to decode the image: {error}") from error


def is_ready(data: bytes) -> bool:
    """Whether it is a JPEG as the gate writes them, of the model's size in one plain scan: it is decoded in no time."""
    if len(data) > image_gate.MAX_JPEG_BYTES or not data.startswith(_START):
        return False
    position, frames = len(_START), 0
    for _ in range(MAX_READY_SEGMENTS):
        marker, end = data[position : position + 2], position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker == _SCAN:
            # Within a scan each FF is followed by 00: the only marker is the one that ends it.
            codes = data[end:]
            return frames == 1 and codes.endswith(_END) and codes.count(b"\xff") == codes.count(b"\xff\x00") + 1
        if marker == _FRAME and data.startswith(_READY_FRAME, position + 4):
            frames += 1
        elif marker not in _TABLES:
            return False
        position = end
    return False


def predict(model: Model, picture: Images, with_map: bool) -> bytes:
    """The answer's body: a JSON list of the probabilities, or where the map is asked for an object with both."""
    if not with_map:
        return json.dumps(model.predict(picture[None])[0].tolist()).encode()
    probabilities, maps = model.session.run([OUTPUT_NAME, MAP_NAME], {INPUT_NAME: picture[None]})
    found = {"probabilities": probabilities[0].tolist(), "activation_map": rounded(maps[0].tolist())}
    return json.dumps(found).encode()


def rounded(numbers: Any) -> Any:
    """Nested lists of numbers with the digits that matter."""
    if isinstance(numbers, list):
        return [rounded(each) for each in numbers]
    return float(f"{numbers:.{MAP_DIGITS}g}")


def asks_for_map(attributes: str) -> bool:
    """Whether the map's word is among a request's custom attributes, the rest of which means nothing here."""
    return ACTIVATION_MAP in re.split(r"[,;\s]+", attributes)


def in_time(came: float) -> None:
    """Refuse a request whose turn has come too late."""
    if time.monotonic() - came > MAX_WAITING_SECONDS:
        raise ContainerError(503, "too many pictures were waiting; send this one again later")


# ---- many ----------------------------------------------------------------------------------------


class Container:
    """The decoding and predicting threads of one process, used from one event loop."""

    def __init__(self, threads: int = PREDICTING_THREADS) -> None:
        self._decoding = ThreadPoolExecutor(MAX_DECODED_AT_A_TIME, "decode")
        self._predicting = ThreadPoolExecutor(threads, "predict")
        self._bytes_in_hand = 0

    @contextlib.contextmanager
    def in_hand(self, size: int) -> Iterator[None]:
        """Count a request's bytes from before it is read until the answer; ContainerError when there is no room."""
        if self._bytes_in_hand + size > MAX_BYTES_IN_HAND:
            raise ContainerError(503, "too many pictures are waiting; send this one again later")
        self._bytes_in_hand += size
        try:
            yield
        finally:
            self._bytes_in_hand -= size

    async def answer(
        self, model: Model, data: bytes, content_type: str, attributes: str = "", *, alone: bool = False
    ) -> bytes:
        """The body that answers one request; ContainerError when it is refused.

        Where only one asks, nobody else waits: a ready picture is predicted at once, not handed to a thread and back.
        """
        if content_type.split(";", maxsplit=1)[0].strip().lower() not in CONTENT_TYPES:
            raise ContainerError(415, f"content type {content_type[:80]!r} is not supported")
        with_map = asks_for_map(attributes)
        if with_map and not gives_maps(model.session):
            raise ContainerError(400, f"model {model.manifest.version} cannot say where it looked")
        loop, came = asyncio.get_running_loop(), time.monotonic()

        def decoded() -> Images:
            in_time(came)
            return decode(data)

        def predicted(picture: Images | None = None) -> bytes:
            in_time(came)
            return predict(model, decode(data) if picture is None else picture, with_map)

        if is_ready(data):
            if alone:
                return predicted()
            return await loop.run_in_executor(self._predicting, predicted)
        picture = await loop.run_in_executor(self._decoding, decoded)
        return await loop.run_in_executor(self._predicting, predicted, picture)
