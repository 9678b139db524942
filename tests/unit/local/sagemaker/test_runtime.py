"""The local SageMaker runtime answers as AWS's does, errors included; asked here without a socket."""

import asyncio
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.parsers
import botocore.session
import pytest
from botocore.awsrequest import HeadersDict
from PIL import Image

from local.sagemaker.metrics import Metrics
from local.sagemaker.runtime import Models, Runtime
from serving.container import ACTIVATION_MAP, MAX_BYTES_IN_HAND
from serving.server import CUSTOM_ATTRIBUTES, MAX_PAYLOAD_BYTES, Answer
from tests.unit.serving.tiny_model import ONNX_WITH_MAP, write_model
from vehiclevision.labels import MODEL_INPUT_SIDE

PNG = {"content-type": "image/png"}
ASKING = {**PNG, CUSTOM_ATTRIBUTES: f"trace=7, {ACTIVATION_MAP}"}
PATH = "/endpoints/vehiclevision/invocations"


def picture(colour: str, size: tuple[int, int] = (32, 32), file_format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, file_format)
    return stream.getvalue()


@pytest.fixture
def endpoints(tmp_path: Path) -> Path:
    """A state file with two endpoints, one of a model that says where it looked, and one whose model is not there."""
    model = str(write_model(tmp_path / "model.tar.gz"))
    with_map = str(write_model(tmp_path / "with-map.tar.gz", ONNX_WITH_MAP))
    text = {
        name: {"variants": [{"name": "AllTraffic", "model": path, "weight": 1.0}]}
        for name, path in (("vehiclevision", model), ("looking", with_map), ("broken", str(tmp_path / "none.tar.gz")))
    }
    path = tmp_path / "endpoints.json"
    path.write_text(json.dumps({"endpoints": text}))
    return path


@pytest.fixture
def runtime(endpoints: Path) -> Runtime:
    """The application itself."""
    return Runtime(Models(endpoints))


def ask(
    runtime: Runtime,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] = PNG,
    method: str = "POST",
) -> Answer:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(runtime(scope, receive, send))
    received = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], sent[1]["body"], received)


def parsed(answer: Answer) -> dict[str, Any]:
    """The answer as boto3 reads it."""
    service = botocore.session.Session().get_service_model("sagemaker-runtime")
    parser = botocore.parsers.create_parser("rest-json")
    response = {"body": answer.body, "headers": HeadersDict(answer.headers), "status_code": answer.status}
    output_shape: Any = service.operation_model("InvokeEndpoint").output_shape
    found: dict[str, Any] = parser.parse(response, output_shape)
    if answer.status >= 300 and (shape := service.shape_for_error_code(found["Error"]["Code"])):
        found.update(parser.parse(response, shape))
    return found


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (picture("white", (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE), "JPEG"), "image/jpeg"),
        (picture("white"), "image/png"),
        (picture("white", (400, 300)), "image/png"),
        (picture("white", (400, 300), "JPEG"), "image/jpeg"),
        (picture("white", (400, 300), "JPEG"), "application/x-image; charset=binary"),
    ],
    ids=["ready", "small", "large", "jpeg", "any"],
)
def test_a_picture_is_answered_with_two_probabilities(runtime: Runtime, data: bytes, content_type: str) -> None:
    """Any accepted type and size gives a JSON list, the variant and the model's version."""
    answer = ask(runtime, PATH, data, {**PNG, "content-type": content_type})

    assert answer.status == 200
    assert json.loads(answer.body) == pytest.approx([0.95, 0.0], abs=0.01)
    found = parsed(answer)
    assert found["InvokedProductionVariant"] == "AllTraffic"
    assert found["CustomAttributes"].startswith("model_version=")
    assert found["ContentType"] == "application/json"


def test_an_unknown_endpoint_is_a_validation_error(runtime: Runtime) -> None:
    """The code and message are AWS's."""
    answer = ask(runtime, "/endpoints/nobody/invocations", picture("white"))

    assert answer.status == 400
    assert parsed(answer)["Error"] == {
        "Code": "ValidationError",
        "Message": "Endpoint nobody of account 000000000000 not found.",
    }


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [(b"no picture", "image/png", 400), (picture("white"), "text/csv", 415), (picture("white"), "", 415)],
    ids=["undecodable", "foreign type", "no type"],
)
def test_what_the_container_refuses_is_a_model_error(
    runtime: Runtime, data: bytes, content_type: str, status: int
) -> None:
    """The container's own status and message travel inside SageMaker's 424."""
    answer = ask(runtime, PATH, data, {**PNG, "content-type": content_type})

    found = parsed(answer)
    assert answer.status == 424
    assert found["Error"]["Code"] == "ModelError"
    assert f"Received client error ({status}) from primary" in found["Error"]["Message"]
    assert found["OriginalStatusCode"] == status
    assert found["OriginalMessage"]
    assert found["LogStreamArn"].endswith("/aws/sagemaker/Endpoints/vehiclevision")


def test_custom_attributes_reach_the_container_under_the_header_that_it_reads() -> None:
    """AWS's own description of InvokeEndpoint says so, as boto3 carries it.

    "The information is an opaque value that is forwarded verbatim. You could use this value, for example, to provide an
    ID that you can use to track a request or to provide other metadata that a service endpoint was programmed to
    process." And of all other headers: "Amazon SageMaker AI strips all POST headers except those supported by the API."
    (Amazon SageMaker Runtime, API version 2017-05-13, InvokeEndpoint; read on 28 November 2026.)
    """
    service: Any = botocore.session.Session().get_service_model("sagemaker-runtime")
    operation = service.operation_model("InvokeEndpoint")

    for shape in (operation.input_shape, operation.output_shape):
        serialization = shape.members["CustomAttributes"].serialization
        assert serialization["location"] == "header"
        assert serialization["name"].lower() == CUSTOM_ATTRIBUTES
    assert "opaque value that is forwarded verbatim" in operation.input_shape.members["CustomAttributes"].documentation
    assert "strips all POST headers except those supported by the API" in operation.documentation


def test_who_asks_is_told_where_the_model_looked(runtime: Runtime) -> None:
    """By a word among the request's custom attributes; nobody else gets more than the probabilities."""
    path = "/endpoints/looking/invocations"

    asked = ask(runtime, path, picture("white"), ASKING)
    plain = ask(runtime, path, picture("white"), {**PNG, CUSTOM_ATTRIBUTES: "trace=7"})

    body = json.loads(asked.body)
    assert set(body) == {"probabilities", "activation_map"}
    assert body["probabilities"] == json.loads(plain.body) == pytest.approx([0.95, 0.0], abs=0.01)
    assert [(len(rows), len(rows[0])) for rows in body["activation_map"]] == [(7, 7), (7, 7)]
    assert parsed(asked)["CustomAttributes"].startswith("model_version=")


def test_a_model_that_cannot_say_where_it_looked_is_a_model_error(runtime: Runtime) -> None:
    """The container's 400 and its sentence travel inside SageMaker's 424."""
    answer = ask(runtime, PATH, picture("white"), ASKING)

    assert answer.status == 424
    assert parsed(answer)["OriginalStatusCode"] == 400
    assert parsed(answer)["OriginalMessage"].endswith("cannot say where it looked")


def test_a_server_without_room_is_a_model_error_of_the_server(endpoints: Path) -> None:
    """Unread, and such that the workflow tries again."""
    full = Runtime(Models(endpoints))

    with full.container.in_hand(MAX_BYTES_IN_HAND):
        answer = ask(full, PATH, picture("white"))

    assert answer.status == 424
    assert parsed(answer)["OriginalStatusCode"] == 503
    assert ask(full, PATH, picture("white")).status == 200


def test_an_endpoint_without_a_usable_model_is_unavailable(runtime: Runtime) -> None:
    """It answers 503."""
    answer = ask(runtime, "/endpoints/broken/invocations", picture("white"))

    assert answer.status == 503
    assert parsed(answer)["Error"]["Code"] == "ServiceUnavailable"


def test_a_payload_over_six_mebibytes_is_refused(runtime: Runtime) -> None:
    """The limit of a real-time endpoint holds, whatever the content."""
    answer = ask(runtime, PATH, bytes(MAX_PAYLOAD_BYTES + 1))

    assert answer.status == 413
    assert parsed(answer)["Error"]["Code"] == "413"


def test_an_unknown_variant_is_a_validation_error(runtime: Runtime) -> None:
    """There is one production variant."""
    answer = ask(runtime, PATH, picture("white"), {**PNG, "x-amzn-sagemaker-target-variant": "blue"})

    assert parsed(answer)["Error"]["Code"] == "ValidationError"


def test_a_replaced_model_is_served_at_once(runtime: Runtime, tmp_path: Path) -> None:
    """The next request after the file changed is answered by the new model."""
    before = ask(runtime, PATH, picture("white")).headers["x-amzn-sagemaker-custom-attributes"]
    path = write_model(tmp_path / "model.tar.gz", version="second")
    os.utime(path, (1, 1))

    after = ask(runtime, PATH, picture("white")).headers["x-amzn-sagemaker-custom-attributes"]

    assert before != after == "model_version=second"


def test_anything_else_is_unknown(runtime: Runtime) -> None:
    """Other paths and methods are refused in SageMaker's manner."""
    assert ask(runtime, "/endpoints", method="GET").status == 404


@pytest.mark.parametrize(
    ("endpoint", "content_type", "failed"),
    [("vehiclevision", "image/png", 0), ("vehiclevision", "text/plain", 0), ("broken", "image/png", 1)],
)
def test_cloudwatch_is_told_of_each_request(endpoints: Path, endpoint: str, content_type: str, failed: int) -> None:
    """Whether the model failed, which one that cannot be loaded does, and one that refuses a request does not."""
    told: list[dict[str, Any]] = []
    metrics = Metrics(lambda *_, **request: told.extend(request["MetricData"]), flush_seconds=600)

    path = f"/endpoints/{endpoint}/invocations"
    ask(Runtime(Models(endpoints), metrics=metrics), path, picture("red"), {"content-type": content_type})
    metrics.flush()

    assert {each["MetricName"]: each["Values"] for each in told[:2]} == {
        "Invocations": [1],
        "Invocation5XXErrors": [failed],
    }
    (of_endpoint, of_variant) = told[0]["Dimensions"]
    assert (of_endpoint["Value"], of_variant["Value"]) == (endpoint, "AllTraffic")
