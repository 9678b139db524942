"""What a model's container does with a request: the picture decoded, then predicted together with whoever waits.

A request never waits for company. While the predicting threads are busy, requests gather; as soon as a thread is free,
those that wait go to it as one batch, which spares the hand-over from thread to thread that each would cost alone, and
reads the network's weights once for all of them. A request that finds nobody else is predicted where it is.
"""

import asyncio
import functools
import io
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from training.artefact import Model
from training.session import Images
from vehiclevision import image_gate
from vehiclevision.errors import InvalidImageError
from vehiclevision.labels import MODEL_INPUT_SIDE

# Decoding a hostile file may take 300 MiB: this many at a time.
MAX_DECODED_AT_A_TIME: Final = 2
# More threads than this would only wait for Python's lock.
PREDICTING_THREADS: Final = min(os.cpu_count() or 1, 8)
# A batch ends after about as many milliseconds: whoever comes next does not wait long.
MAX_BATCH: Final = 8
CONTENT_TYPES: Final = frozenset({"image/png", "image/jpeg", "application/x-image"})
# First bytes of a PNG of the model's own size in 8-bit RGB: it has been through the image gate already.
READY_PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + MODEL_INPUT_SIDE.to_bytes(4, "big") * 2 + b"\x08\x02"
# What the gate writes is shorter, pixels that cannot be compressed included; it is decoded in microseconds.
MAX_READY_BYTES: Final = 4096


class ContainerError(Exception):
    """The model container answers with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def decode(data: bytes) -> Images:
    """The picture as the model takes it, or the refusal a container would give."""
    try:
        if not data.startswith(READY_PNG):
            return np.asarray(image_gate.model_input(image_gate.decode(data).working))
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return np.asarray(image.convert("RGB"))
    except (InvalidImageError, OSError, ValueError, SyntaxError) as error:
        raise ContainerError(400, f"unable to decode the image: {error}") from error


@dataclass(frozen=True, eq=False)
class Waiting:
    """A picture, the model it is for, and where its answer is awaited: None means, predict it yourself."""

    model: Model
    picture: Images
    answer: asyncio.Future[list[float] | None]


class Container:
    """The decoding and predicting threads of one process, used from one event loop."""

    def __init__(self, threads: int = PREDICTING_THREADS) -> None:
        self._decoding = ThreadPoolExecutor(MAX_DECODED_AT_A_TIME, "decode")
        self._predicting = ThreadPoolExecutor(threads, "predict")
        self._threads = self._free = threads
        self._waiting: list[Waiting] = []

    async def answer(self, model: Model, data: bytes, content_type: str) -> list[float]:
        """The container's whole work on one request; ContainerError when it refuses the picture."""
        if content_type.split(";", maxsplit=1)[0].strip().lower() not in CONTENT_TYPES:
            raise ContainerError(415, f"content type {content_type[:80]!r} is not supported")
        loop = asyncio.get_running_loop()
        if data.startswith(READY_PNG) and len(data) <= MAX_READY_BYTES:
            picture = decode(data)
        else:
            picture = await loop.run_in_executor(self._decoding, decode, data)
        waiting = Waiting(model, picture, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            # After the requests that arrived together with this one.
            loop.call_soon(self._start, loop)
        found = await waiting.answer
        return predict([waiting])[0] if found is None else found

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand those that wait to the threads that are free, in equal shares."""
        self._waiting = [waiting for waiting in self._waiting if not waiting.answer.done()]  # some have gone away
        if len(self._waiting) == 1 and self._free == self._threads:
            # The way to a thread and back costs about a quarter of a prediction.
            self._waiting.pop().answer.set_result(None)
        while self._free and self._waiting:
            batch = alike(self._waiting, min(MAX_BATCH, -(-len(self._waiting) // self._free)))
            del self._waiting[: len(batch)]
            self._free -= 1
            running = loop.run_in_executor(self._predicting, predict, batch)
            running.add_done_callback(functools.partial(self._finish, loop, batch))

    def _finish(
        self, loop: asyncio.AbstractEventLoop, batch: Sequence[Waiting], done: asyncio.Future[list[list[float]]]
    ) -> None:
        self._free += 1
        error = done.exception()
        for number, waiting in enumerate(batch):
            if waiting.answer.done():
                continue
            if error is not None:
                waiting.answer.set_exception(error)
            else:
                waiting.answer.set_result(done.result()[number])
        self._start(loop)


def alike(waiting: Sequence[Waiting], most: int) -> list[Waiting]:
    """The first of those that wait, as far as they are for the same model."""
    model = waiting[0].model
    return list(itertools.islice(itertools.takewhile(lambda each: each.model is model, waiting), most))


def predict(batch: Sequence[Waiting]) -> list[list[float]]:
    """The probabilities of each picture, in order."""
    found: list[list[float]] = batch[0].model.predict(np.stack([waiting.picture for waiting in batch])).tolist()
    return found
