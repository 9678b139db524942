"""An endpoint's variants share its traffic by their weights, and what they answer is captured."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local.sagemaker.capture import Capture
from local.sagemaker.runtime import Models, Runtime, chosen
from monitoring.captures.record import Captured, parse
from tests.unit.local.sagemaker.test_runtime import ASKING, PATH, PNG, ask, parsed
from tests.unit.serving.tiny_model import ONNX_WITH_MAP, write_model


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(stream, "PNG")
    return stream.getvalue()


CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://b/p",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
}


class State:
    """The state file of one endpoint with two models, and a runtime that reads it."""

    def __init__(self, room: Path) -> None:
        self.file = room / "endpoints.json"
        self.old = str(write_model(room / "old.tar.gz", version="old"))
        self.new = str(write_model(room / "new.tar.gz", version="new"))
        self.objects: dict[str, bytes] = {}
        self.capture = Capture(self.put, flush_seconds=60)
        self.models = Models(self.file)
        self.runtime = Runtime(self.models, self.capture)

    def put(self, *_: str, **request: Any) -> None:
        self.objects[request["Key"]] = request["Body"]

    def write(self, weights: dict[str, float], **more: Any) -> None:
        variants = [{"name": "AllTraffic", "model": model, "weight": weight} for model, weight in weights.items()]
        self.file.write_text(json.dumps({"endpoints": {"vehiclevision": {"variants": variants, **more}}}))

    def versions(self, count: int) -> Counter[str]:
        found = [parsed(ask(self.runtime, PATH, picture()))["CustomAttributes"] for _ in range(count)]
        return Counter(each.removeprefix("model_version=") for each in found)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def test_the_traffic_follows_the_weights(state: State) -> None:
    """Before, during and after a shift, without a request that fails; then the old model is forgotten."""
    state.write({state.old: 1.0})
    before = state.versions(5)
    state.write({state.old: 0.5, state.new: 0.5})
    during = state.versions(60)
    state.write({state.new: 1.0})
    after = state.versions(5)

    assert before == {"old": 5}
    assert min(during["old"], during["new"]) > 10
    assert after == {"new": 5}


def test_a_variant_of_weight_zero_answers_only_who_asks_for_it() -> None:
    """By the name in the request; one that is not there is nobody."""
    endpoint = {"variants": [{"name": "a", "weight": 1.0}, {"name": "b", "weight": 0.0}]}

    assert {chosen(endpoint, None)["name"] for _ in range(50)} == {"a"}  # type: ignore[index]
    assert chosen(endpoint, "b") == endpoint["variants"][1]
    assert chosen(endpoint, "c") is None


def test_only_answers_are_captured_and_only_where_it_is_asked_for(state: State) -> None:
    """The request and its answer as they were on the wire; an error and an endpoint without capture leave nothing."""
    state.write({state.old: 1.0})
    ask(state.runtime, PATH, picture())
    state.write({state.old: 1.0}, capture=CAPTURE)
    ask(state.runtime, PATH, b"no picture")
    answer = ask(state.runtime, PATH, picture(), {**PNG, "x-amzn-sagemaker-inference-id": "mine"})

    flushed = ask(state.runtime, "/flush-captured-data")

    assert flushed.status == 200
    ((key, body),) = state.objects.items()
    record = json.loads(body)
    assert key.startswith("p/vehiclevision/AllTraffic/")
    assert record["captureData"]["endpointOutput"]["data"] == answer.body.decode()
    assert record["captureData"]["endpointInput"]["observedContentType"] == "image/png"
    assert record["eventMetadata"]["inferenceId"] == "mine"


def test_an_answer_with_a_map_is_captured_as_it_was_and_still_read(state: State) -> None:
    """Monitoring finds the probabilities in it, the same as in an answer without."""
    path = str(write_model(state.file.parent / "with-map.tar.gz", ONNX_WITH_MAP))
    state.write({path: 1.0}, capture=CAPTURE)
    plain = ask(state.runtime, PATH, picture())
    with_map = ask(state.runtime, PATH, picture(), ASKING)
    ask(state.runtime, "/flush-captured-data")

    lines = b"".join(state.objects.values()).splitlines()

    outputs = [json.loads(line)["captureData"]["endpointOutput"]["data"].encode() for line in lines]
    assert sorted(outputs) == sorted([plain.body, with_map.body])
    records = [parse(line) for line in lines]
    answers = [record.answer for record in records if isinstance(record, Captured)]
    assert [answer.confidences for answer in answers if answer] == [tuple(json.loads(plain.body))] * 2
