"""The container predicts together what waits together, and nobody notices but by the speed."""

import asyncio
import io
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from local.container import MAX_BATCH, MAX_READY_BYTES, READY_PNG, Container, ContainerError, decode
from tests.unit.local.tiny_model import write_model
from training.artefact import Model, load_model
from training.session import BATCH, Images, Probabilities
from vehiclevision.image_gate import normalise

PNG = "image/png"


class Recording(Model):
    """A model that remembers how many pictures came together, and that can be made to fail."""

    batches: list[int]
    threads: set[str]
    broken: bool

    def predict(self, images: Images, batch: int = BATCH) -> Probabilities:
        self.batches.append(len(images))
        self.threads.add(threading.current_thread().name)
        if self.broken:
            raise RuntimeError("the model fails")
        return super().predict(images, batch)


def recording(path: Path) -> Recording:
    loaded = load_model(write_model(path))
    model = Recording(loaded.manifest, loaded.session)
    object.__setattr__(model, "batches", [])
    object.__setattr__(model, "threads", set())
    object.__setattr__(model, "broken", False)
    return model


@pytest.fixture
def model(tmp_path: Path) -> Recording:
    """A loaded model."""
    return recording(tmp_path / "model.tar.gz")


def grey(level: int, size: tuple[int, int] = (32, 32)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(stream, "PNG")
    return stream.getvalue()


def together(*requests: Coroutine[Any, Any, list[float]]) -> list[list[float] | BaseException]:
    async def run() -> list[list[float] | BaseException]:
        return list(await asyncio.gather(*requests, return_exceptions=True))

    return asyncio.run(run())


def test_a_batch_answers_as_each_picture_alone(model: Recording) -> None:
    """Forty requests at once share batches, and each gets its own answer."""
    pictures = [grey(6 * number) for number in range(40)]
    alone = [model.predict(decode(picture)[None])[0] for picture in pictures]
    model.batches.clear()
    container = Container(threads=1)

    found = together(*(container.answer(model, picture, PNG) for picture in pictures))

    np.testing.assert_allclose(np.array(found), np.array(alone), rtol=0, atol=1e-6)
    assert model.batches == [MAX_BATCH] * 5


def test_a_request_alone_does_not_wait_for_company(model: Recording) -> None:
    """One request is predicted at once, as a batch of one, without the way to another thread."""
    together(Container().answer(model, grey(10), PNG))

    assert model.batches == [1]
    assert model.threads == {threading.current_thread().name}


def test_free_threads_share_what_waits(model: Recording) -> None:
    """Six requests for two free threads go as three and three."""
    container = Container(threads=2)

    together(*(container.answer(model, grey(number), PNG) for number in range(6)))

    assert model.batches == [3, 3]


def test_an_undecodable_picture_harms_only_itself(model: Recording) -> None:
    """It is refused; those beside it are answered."""
    damaged = grey(90)[:60]
    container = Container(threads=1)

    first, refused, last = together(*(container.answer(model, data, PNG) for data in (grey(255), damaged, grey(0))))

    assert first == pytest.approx([0.95, 0.0], abs=1e-6)
    assert isinstance(refused, ContainerError)
    assert refused.status == 400
    assert last == pytest.approx([0.0, 0.95], abs=1e-6)


def test_a_client_that_goes_away_does_not_hurt_the_others(model: Recording) -> None:
    """Its picture is dropped where it still waits, its answer where it does not, and the rest is answered in order."""
    container = Container(threads=1)

    async def run() -> list[list[float] | BaseException]:
        tasks = [asyncio.create_task(container.answer(model, grey(12 * number), PNG)) for number in range(20)]
        while not model.batches:
            await asyncio.sleep(0)
        for number in (0, 3, 15):
            tasks[number].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(run())

    gone = [number for number, answer in enumerate(found) if isinstance(answer, asyncio.CancelledError)]
    assert gone == [0, 3, 15]
    kept = [answer[0] for answer in found if isinstance(answer, list)]
    assert kept == pytest.approx([0.95 * 12 * number / 255 for number in range(20) if number not in gone], abs=1e-6)
    assert sum(model.batches) == 19  # the first eight were on their way


def test_models_are_never_mixed(tmp_path: Path) -> None:
    """Requests for two endpoints that take turns are predicted by their own models."""
    one, two = recording(tmp_path / "one.tar.gz"), recording(tmp_path / "two.tar.gz")
    container = Container(threads=1)

    found = together(*(container.answer(model, grey(100), PNG) for model in (one, one, two, one)))

    assert (one.batches, two.batches) == ([2, 1], [1])
    assert len({str(answer) for answer in found}) == 1


def test_a_model_that_fails_leaves_the_container_working(model: Recording) -> None:
    """Those of the batch learn of it, the next are served."""
    container = Container(threads=1)
    object.__setattr__(model, "broken", True)
    failed = together(*(container.answer(model, grey(1), PNG) for _ in range(3)))
    object.__setattr__(model, "broken", False)

    (answered,) = together(container.answer(model, grey(255), PNG))

    assert [str(error) for error in failed] == ["the model fails"] * 3
    assert answered == pytest.approx([0.95, 0.0], abs=1e-6)


def test_a_photo_and_what_the_gate_made_of_it_are_the_same_picture() -> None:
    """Pixels do not depend on whether the workflow or the endpoint shrank the photo."""
    stream = io.BytesIO()
    Image.effect_noise((640, 480), 80).convert("RGB").save(stream, "JPEG")

    photo, ready = decode(stream.getvalue()), decode(normalise(stream.getvalue()).png)

    np.testing.assert_array_equal(photo, ready)


def test_what_the_gate_writes_counts_as_ready() -> None:
    """Even pixels that cannot be compressed fit."""
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(stream, "PNG")

    png = normalise(stream.getvalue()).png

    assert png.startswith(READY_PNG)
    assert len(png) <= MAX_READY_BYTES
