"""The container decodes and predicts on threads of its own, and holds no more than it has room for."""

import asyncio
import io
import json
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.container import (
    ACTIVATION_MAP,
    MAX_BYTES_IN_HAND,
    MAX_READY_SEGMENTS,
    Container,
    ContainerError,
    asks_for_map,
    decode,
    is_ready,
)
from serving.server import Server
from tests.unit.serving.asking import ask
from tests.unit.serving.tiny_model import ONNX_WITH_MAP, write_model
from training.artefact import Model, load_model
from training.session import BATCH, Images, Probabilities
from vehiclevision.image_gate import MAX_JPEG_BYTES, normalise
from vehiclevision.labels import MODEL_INPUT_SIDE

JPEG = "image/jpeg"
SIDE = (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE)


class Recording(Model):
    """A model that remembers on which threads it ran, and that can be made to wait or to fail."""

    threads: list[str]
    free: threading.Event
    broken: bool

    def predict(self, images: Images, batch: int = BATCH) -> Probabilities:
        self.threads.append(threading.current_thread().name)
        self.free.wait(10)
        if self.broken:
            raise RuntimeError("the model fails")
        return super().predict(images, batch)


@pytest.fixture
def model(tmp_path: Path) -> Recording:
    """A loaded model that does not wait."""
    loaded = load_model(write_model(tmp_path / "model.tar.gz"))
    recording = Recording(loaded.manifest, loaded.session)
    object.__setattr__(recording, "threads", [])
    object.__setattr__(recording, "free", threading.Event())
    object.__setattr__(recording, "broken", False)
    recording.free.set()
    return recording


@pytest.fixture
def model_with_map(tmp_path: Path) -> Model:
    """A model that also says where it looked."""
    return load_model(write_model(tmp_path / "with-map.tar.gz", ONNX_WITH_MAP))


def saved(picture: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def grey(level: int, size: tuple[int, int] = SIDE) -> bytes:
    return saved(Image.new("RGB", size, (level, level, level)))


def noise(size: tuple[int, int] = SIDE) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8))


def together(*requests: Coroutine[Any, Any, bytes]) -> list[Any]:
    async def run() -> list[Any]:
        answers = await asyncio.gather(*requests, return_exceptions=True)
        return [json.loads(answer) if isinstance(answer, bytes) else answer for answer in answers]

    return asyncio.run(run())


# ---- many at once --------------------------------------------------------------------------------


def test_each_of_many_gets_its_own_answer(model: Recording) -> None:
    """Forty at once, ready ones and others that must first be shrunk, on two threads."""
    container = Container(threads=2)
    pictures = [grey(6 * number, SIDE if number % 2 else (320, 240)) for number in range(40)]

    answers = together(*(container.answer(model, picture, JPEG) for picture in pictures))

    assert [answer[0] for answer in answers] == pytest.approx(
        [0.95 * 6 * number / 255 for number in range(40)], abs=0.01
    )
    assert {name.rpartition("_")[0] for name in model.threads} == {"predict"}


def test_the_event_loop_is_free_while_a_picture_is_predicted(model: Recording) -> None:
    """Even the only request leaves the loop to others: the health check is one of them."""
    model.free.clear()
    container = Container(threads=1)

    async def run() -> float:
        answering = asyncio.create_task(container.answer(model, grey(255), JPEG))
        while not model.threads:
            await asyncio.sleep(0.001)
        began = time.monotonic()
        await asyncio.sleep(0.01)
        waited = time.monotonic() - began
        model.free.set()
        await answering
        return waited

    assert asyncio.run(run()) < 1


def test_who_asks_alone_is_answered_without_a_thread(model: Recording) -> None:
    """The first and the only one waits for no hand-over; once somebody else asks, both are predicted on threads."""
    server = Server(model, alone_seconds=0.0)
    here, there = ("192.0.2.1", 5001), ("192.0.2.1", 5002)

    for caller in (here, here, there, here, here, None, None):
        assert ask(server, "POST", "/invocations", grey(255), {"content-type": JPEG}, client=caller).status == 200

    on_the_loop = [name == threading.current_thread().name for name in model.threads]
    assert on_the_loop == [False, True, False, False, True, False, False]


def test_an_undecodable_picture_harms_only_itself(model: Recording) -> None:
    """It is refused; those beside it are answered."""
    damaged = grey(90)[:400]
    container = Container(threads=1)

    first, refused, last = together(*(container.answer(model, data, JPEG) for data in (grey(255), damaged, grey(0))))

    assert first == pytest.approx([0.95, 0.0], abs=1e-6)
    assert isinstance(refused, ContainerError)
    assert refused.status == 400
    assert last == pytest.approx([0.0, 0.95], abs=1e-6)


def test_a_client_that_goes_away_does_not_hurt_the_others(model: Recording) -> None:
    """Where its picture still waits it is not predicted, and the rest is answered in order."""
    model.free.clear()
    container = Container(threads=1)

    async def run() -> list[bytes | BaseException]:
        tasks = [asyncio.create_task(container.answer(model, grey(12 * number), JPEG)) for number in range(20)]
        while not model.threads:
            await asyncio.sleep(0.001)
        for number in (0, 3, 15):
            tasks[number].cancel()
        await asyncio.sleep(0.01)
        model.free.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(run())

    gone = [number for number, answer in enumerate(answers) if isinstance(answer, asyncio.CancelledError)]
    kept = [json.loads(answer)[0] for answer in answers if isinstance(answer, bytes)]
    assert gone == [0, 3, 15]
    assert kept == pytest.approx([0.95 * 12 * number / 255 for number in range(20) if number not in gone], abs=0.01)
    assert len(model.threads) == 18  # the first was on its way


def test_a_model_that_fails_leaves_the_container_working(model: Recording) -> None:
    """Those who asked it learn of it, the next are served."""
    container = Container(threads=1)
    object.__setattr__(model, "broken", True)
    failed = together(*(container.answer(model, grey(1), JPEG) for _ in range(3)))
    object.__setattr__(model, "broken", False)

    (answered,) = together(container.answer(model, grey(255), JPEG))

    assert [str(error) for error in failed] == ["the model fails"] * 3
    assert answered == pytest.approx([0.95, 0.0], abs=1e-6)


def test_what_there_is_no_room_for_is_refused_until_there_is() -> None:
    """The bodies of all requests in hand are bounded together; the refusal is the server's own, so it is retried."""
    container = Container()

    with (
        container.in_hand(MAX_BYTES_IN_HAND - 10),
        container.in_hand(10),
        pytest.raises(ContainerError, match="send this one again later") as refused,
        container.in_hand(1),
    ):
        pass
    with container.in_hand(MAX_BYTES_IN_HAND):
        pass

    assert refused.value.status == 503


@pytest.mark.parametrize("picture", [Image.new("RGB", SIDE), Image.new("RGB", (300, 300))], ids=["ready", "not ready"])
def test_for_what_has_waited_too_long_nothing_is_done(
    model: Recording, monkeypatch: pytest.MonkeyPatch, picture: Image.Image
) -> None:
    """Whoever asked has given up by then: it is refused as one that came to a crowd, and not predicted."""
    data = saved(picture)
    monkeypatch.setattr("serving.container.MAX_WAITING_SECONDS", -1.0)

    (refused,) = together(Container(threads=1).answer(model, data, JPEG))

    assert isinstance(refused, ContainerError)
    assert (refused.status, model.threads) == (503, [])


# ---- which pictures are ready --------------------------------------------------------------------


@pytest.mark.parametrize(
    "picture", [noise(), noise((640, 480)), Image.new("RGB", (16, 300))], ids=["noise", "large", "flat"]
)
def test_what_the_gate_writes_is_ready(picture: Image.Image) -> None:
    """Whatever was uploaded, pixels that cannot be compressed included."""
    assert is_ready(normalise(saved(picture, "PNG")).jpeg)


def test_a_ready_picture_keeps_its_pixels() -> None:
    """What the workflow's first step made of a photo is what the model sees."""
    jpeg = normalise(saved(noise((640, 480)))).jpeg

    with Image.open(io.BytesIO(jpeg)) as image:
        np.testing.assert_array_equal(decode(jpeg), np.asarray(image))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        saved(noise(), quality=100, subsampling=0),
        saved(noise((225, 224))),
        saved(noise().convert("L")),
        saved(noise().convert("CMYK")),
        saved(noise(), quality=30, progressive=True),
        saved(noise(), quality=30, restart_marker_blocks=1),
        saved(noise(), quality=30, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
        saved(noise(), quality=30, comment=b"hello"),
        saved(noise(), quality=30)[:-2],
        saved(noise(), quality=30) + b"more",
        saved(noise(), quality=30)[:-2] * 2 + b"\xff\xd9",
        saved(Image.new("RGB", SIDE), "PNG"),
        b"\xff\xd8" + b"\xff\xdb\0\x02" * MAX_READY_SEGMENTS + saved(noise(), quality=30)[2:],
        b"\xff\xd8\xff\xe0\0\0" + saved(noise(), quality=30)[2:],
    ],
    ids=[
        "empty",
        "start only",
        "too many bytes",
        "another size",
        "grey",
        "four colours",
        "progressive",
        "restarts",
        "metadata",
        "comment",
        "no end",
        "trailing data",
        "two pictures",
        "png",
        "many tables",
        "empty segment",
    ],
)
def test_anything_else_takes_the_long_way(data: bytes) -> None:
    """Where the walk over its segments meets anything that the gate does not write, the gate decides."""
    assert not is_ready(data)


def test_a_ready_picture_is_decoded_in_no_time_whatever_its_codes() -> None:
    """As many bytes as a ready one may have, none of which mean anything, cost some milliseconds."""
    jpeg = normalise(saved(noise())).jpeg
    head = jpeg[: jpeg.index(b"\xff\xda") + 14]
    codes = np.random.default_rng(1).integers(0, 255, MAX_JPEG_BYTES - len(head) - 2, np.uint8).tobytes()
    hostile = head + codes + b"\xff\xd9"
    assert is_ready(hostile)

    taken = []
    for _ in range(5):
        began = time.thread_time()
        decode(hostile)
        taken.append(time.thread_time() - began)

    assert min(taken) < 0.05


# ---- where it looked -----------------------------------------------------------------------------


def test_the_map_goes_to_those_who_ask(model_with_map: Model) -> None:
    """An object with the same probabilities and label, row, column; without the word the list alone."""
    half = Image.new("RGB", SIDE)
    half.paste((255, 255, 255), (0, 0, MODEL_INPUT_SIDE // 2, MODEL_INPUT_SIDE))
    container = Container()

    with_map, without = together(
        container.answer(model_with_map, saved(half), JPEG, f"trace=1,{ACTIVATION_MAP}"),
        container.answer(model_with_map, saved(half), JPEG, "trace=1"),
    )

    assert list(with_map) == ["probabilities", "activation_map"]
    assert with_map["probabilities"] == without
    assert np.shape(with_map["activation_map"]) == (2, 7, 7)
    bright, dark = np.array(with_map["activation_map"])
    assert bright[:, :3] == pytest.approx(1, abs=0.01)
    assert dark[:, 4:] == pytest.approx(1, abs=0.01)


def test_a_model_without_a_map_says_so(model: Recording) -> None:
    """Whoever asks it where it looked is refused with a sentence, not answered without the map."""
    (refused,) = together(Container().answer(model, grey(1), JPEG, ACTIVATION_MAP))

    assert isinstance(refused, ContainerError)
    assert refused.status == 400
    assert refused.message == f"model {model.manifest.version} cannot say where it looked"


@pytest.mark.parametrize(
    ("attributes", "asked"),
    [
        ("activation-map", True),
        ("a=b; activation-map", True),
        ("", False),
        ("activation-maps", False),
        ("no-activation-map", False),
        ("activation-map=no", False),
        ("," * 1024, False),
    ],
)
def test_only_the_whole_word_asks(attributes: str, asked: bool) -> None:
    """Everything else among the attributes belongs to the caller."""
    assert asks_for_map(attributes) is asked
