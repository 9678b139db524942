"""Asking an endpoint: boto3 and its parsing are real, only what goes over the wire is answered here."""

import io
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from PIL import Image

from training.errors import EndpointFailedError
from training.evaluation.endpoint import AT_A_TIME, ask
from vehiclevision.image_gate import encode

Handler = Callable[[bytes], tuple[int, dict[str, str], bytes]]


class Raw(io.BytesIO):
    """A body as urllib3 hands it on."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def runtime(handler: Handler) -> Any:
    """A client whose requests are answered by the handler instead of being sent."""
    client = boto3.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 2}))

    def answer(request: AWSPreparedRequest, **_: Any) -> Any:
        assert request.headers["Content-Type"] in ("image/jpeg", b"image/jpeg")
        assert isinstance(request.body, bytes | bytearray)
        status, headers, body = handler(bytes(request.body))
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), Raw(body))

    client.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", answer)
    return client


def brightness(body: bytes, version: str = "v1") -> tuple[int, dict[str, str], bytes]:
    """The picture's mean as P(bicycle)."""
    mean = float(np.asarray(Image.open(io.BytesIO(body))).mean() / 255)
    return 200, {"x-amzn-SageMaker-Custom-Attributes": f"model_version={version}"}, json.dumps([mean, 0.0]).encode()


def pictures(count: int) -> tuple[bytes, ...]:
    return tuple(encode(Image.new("RGB", (224, 224), (number, number, number))) for number in range(count))


def test_every_picture_gets_its_own_answer() -> None:
    """Whichever of the parallel requests ends first, answers stand in the order of the pictures, each one timed."""
    done: list[tuple[int, int]] = []

    def slow_at_first(body: bytes) -> tuple[int, dict[str, str], bytes]:
        found = brightness(body)
        time.sleep(0.02 if json.loads(found[2])[0] < 0.05 else 0)
        return found

    asked = ask(runtime(slow_at_first), "vehiclevision", pictures(60), lambda *step: done.append(step))

    assert asked.answers[:, 0] == pytest.approx(np.arange(60) / 255)
    assert 0 < asked.latency.p50 <= asked.latency.p99
    assert asked.model_versions == ("v1",)
    assert done == [(number, 60) for number in range(1, 61)]


def test_no_more_than_a_few_requests_at_a_time() -> None:
    """The endpoint is measured, not stormed."""
    lock, now, most = threading.Lock(), 0, 0

    def watched(body: bytes) -> tuple[int, dict[str, str], bytes]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1
        return brightness(body)

    ask(runtime(watched), "vehiclevision", pictures(60), lambda done, total: None)

    assert 1 < most <= AT_A_TIME


def test_every_model_that_answered_is_named() -> None:
    """A deployment in the middle of an evaluation does not go unseen."""

    def replaced(body: bytes) -> tuple[int, dict[str, str], bytes]:
        return brightness(body, "old" if json.loads(brightness(body)[2])[0] < 20 / 255 else "new")

    asked = ask(runtime(replaced), "vehiclevision", pictures(40), lambda done, total: None)

    assert asked.model_versions == ("new", "old")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"[0.5, NaN]", "no probability"),
        (200, b"[0.9, 0.9]", "more than 1"),
        (200, b"[0.9]", "1 values"),
        (200, b"<html>", "not JSON"),
        (200, b"[" * 5000, "longer than"),
        (400, b'{"message": "Endpoint v of account 0 not found."}', "There is no endpoint vehiclevision"),
        (403, b'{"message": "no"}', "EndpointRefusedError"),
        (500, b"{}", "EndpointUnavailableError"),
    ],
)
def test_an_answer_that_cannot_be_true_ends_the_evaluation(status: int, body: bytes, words: str) -> None:
    """Half of an evaluation would mislead: the first bad answer ends it, in a sentence with a hint."""
    code = {400: "ValidationError", 403: "AccessDeniedException"}.get(status, "")
    headers = {"x-amzn-errortype": code} if code else {}

    with pytest.raises(EndpointFailedError) as caught:
        ask(runtime(lambda _: (status, headers, body)), "vehiclevision", pictures(3), lambda done, total: None)

    assert words in caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_ctrl_c_begins_nothing_more() -> None:
    """After an interruption the requests on their way end, and no further one is sent."""
    sent = []

    def interrupted(done: int, total: int) -> None:
        raise KeyboardInterrupt

    def counted(body: bytes) -> tuple[int, dict[str, str], bytes]:
        sent.append(body)
        time.sleep(0.01)
        return brightness(body)

    with pytest.raises(KeyboardInterrupt):
        ask(runtime(counted), "vehiclevision", pictures(250), interrupted)

    assert len(sent) <= 6 * AT_A_TIME
