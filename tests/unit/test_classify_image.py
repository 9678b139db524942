"""Classify image: sends the picture, believes only what can be true, and names errors by what can be done."""

import base64
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from classify_image import app
from monitoring.captures.record import Captured, parse
from monitoring.captures.source import key_parts
from tests.unit.lambda_context import Context
from tests.unit.pictures import encoded, quarters
from vehiclevision.capture import Exchange
from vehiclevision.errors import (
    EndpointMissingError,
    EndpointModelError,
    EndpointRefusedError,
    EndpointThrottledError,
    EndpointUnavailableError,
    InvalidPredictionError,
    InvalidRequestError,
)
from vehiclevision.prediction import predict
from vehiclevision.record import inference_id
from vehiclevision.requests import Picture
from vehiclevision.settings import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    ClassifySettings,
    Destination,
    SettingsError,
)

JPEG = encoded(quarters(224), "JPEG")
PNG_OF_AN_EARLIER_RELEASE = encoded(quarters(32), "PNG")
EVENT = {
    "s3_bucket": "photos",
    "s3_key": "uploads/a.jpg",
    "version_id": "v1",
    "image_data": base64.b64encode(JPEG).decode(),
}
# Other pictures, no pictures, and pictures whose first bytes are missing.
NEITHER = [
    base64.b64encode(data).decode()
    for data in (b"hello", b"GIF89a", encoded(quarters(), "WEBP"), JPEG[1:], PNG_OF_AN_EARLIER_RELEASE[1:])
]


@pytest.fixture
def endpoint() -> Iterator[Stubber]:
    with Stubber(app.runtime) as stub:
        yield stub


def answer(stub: Stubber, body: bytes, *, picture: bytes = JPEG, content_type: str = "image/jpeg", **more: Any) -> None:
    request = {"EndpointName": "vehiclevision", "ContentType": content_type, "Accept": "application/json"}
    request["InferenceId"] = inference_id("photos", "uploads/a.jpg", "v1")
    response = {"Body": StreamingBody(io.BytesIO(body), len(body)), "InvokedProductionVariant": "AllTraffic", **more}
    stub.add_response("invoke_endpoint", response, {**request, "Body": picture})


def test_it_adds_the_answer_and_keeps_the_event(endpoint: Stubber) -> None:
    """The JPEG goes to the configured endpoint as image/jpeg; both confidences and the variant come back."""
    answer(endpoint, b"[0.93, 0.06]")

    output = app.lambda_handler(dict(EVENT), Context())

    assert output == {**EVENT, "inferences": [0.93, 0.06], "model_version": "AllTraffic"}
    endpoint.assert_no_pending_responses()


def test_an_event_that_names_no_version_is_asked_about_without_an_id(endpoint: Stubber) -> None:
    """Made by hand, with a picture and nothing else, it is answered all the same."""
    body = b"[0.9, 0.1]"
    response = {"Body": StreamingBody(io.BytesIO(body), len(body)), "InvokedProductionVariant": "AllTraffic"}
    request = {"EndpointName": ANY, "ContentType": "image/jpeg", "Accept": ANY, "Body": ANY}
    endpoint.add_response("invoke_endpoint", response, request)

    assert app.lambda_handler({"image_data": EVENT["image_data"]}, Context())["inferences"] == [0.9, 0.1]


def test_a_png_is_sent_as_what_it_is(endpoint: Stubber) -> None:
    """An event kept from a release that handed on PNGs still works: the first bytes tell the content type."""
    answer(endpoint, b"[0.93, 0.06]", picture=PNG_OF_AN_EARLIER_RELEASE, content_type="image/png")
    event = {**EVENT, "image_data": base64.b64encode(PNG_OF_AN_EARLIER_RELEASE).decode()}

    assert app.lambda_handler(event, Context())["inferences"] == [0.93, 0.06]
    endpoint.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("attributes", "version"),
    [("model_version=3f2a91c07d11", "3f2a91c07d11"), ("a=b, model_version=7", "7"), ("nothing", "AllTraffic")],
)
def test_the_model_version_comes_from_the_container_if_it_says_one(
    endpoint: Stubber, attributes: str, version: str
) -> None:
    """Our own container names the model's version; the built-in one does not, then the variant counts."""
    answer(endpoint, b"[0.1, 0.2]", CustomAttributes=attributes)

    assert app.lambda_handler(dict(EVENT), Context())["model_version"] == version


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"{}", b"0.5", b"[]", b"[0.5]", b"[0.3, 0.3, 0.3]", b'["0.9", "0.1"]', b"[true, false]"]
    + [
        b"[NaN, 0.5]",
        b"[Infinity, 0]",
        b"[-0.1, 0.5]",
        b"[1.2, 0]",
        b"[0.9, 0.9]",
        b"[null, 1]",
        b"[0.5, 0.5" + b" " * 9999,
    ]
    + [b"[[0.9, 0.1]]", b"\xff\xfe", b"[" + b"9" * 400 + b", 0]", b"[" * 4_000, b"[-" + b"9" * 4_000 + b", 0]"],
)
def test_an_answer_that_cannot_be_true_is_not_believed(endpoint: Stubber, body: bytes) -> None:
    """Not JSON, not two numbers, not probabilities, or more than 1 together: InvalidPredictionError."""
    answer(endpoint, body)

    with pytest.raises(InvalidPredictionError):
        app.lambda_handler(dict(EVENT), Context())


@pytest.mark.parametrize("body", [b"[0, 0]", b"[1, 0]", b"[0.70000005, 0.3]", b"[1e-9, 0.2]"])
def test_the_edges_of_what_can_be_true_are_believed(endpoint: Stubber, body: bytes) -> None:
    """Whole numbers, zeros and the rounding of a float32 softmax are fine."""
    answer(endpoint, body)

    assert app.lambda_handler(dict(EVENT), Context())["inferences"] == json.loads(body)


@pytest.mark.parametrize(
    ("code", "status", "message", "error"),
    [
        ("ThrottlingException", 400, "Rate exceeded", EndpointThrottledError),
        ("ModelNotReadyException", 429, "", EndpointUnavailableError),
        ("ServiceUnavailable", 503, "", EndpointUnavailableError),
        ("InternalFailure", 500, "", EndpointUnavailableError),
        ("InternalDependencyException", 530, "", EndpointUnavailableError),
        ("SomethingNew", 502, "", EndpointUnavailableError),
        ("ModelError", 424, "Received server error (500) from primary", EndpointModelError),
        ("ValidationError", 400, "Endpoint vehiclevision of account 111122223333 not found.", EndpointMissingError),
        ("ValidationError", 400, "1 validation error detected", EndpointRefusedError),
        ("AccessDeniedException", 403, "not authorized", EndpointRefusedError),
        ("ExpiredTokenException", 400, "", EndpointRefusedError),
    ],
)
def test_what_sagemaker_says_becomes_what_can_be_done(
    endpoint: Stubber, code: str, status: int, message: str, error: type[Exception]
) -> None:
    """Each of the service's errors gets the name that the state machine's retries go by."""
    endpoint.add_client_error("invoke_endpoint", code, message, http_status_code=status)

    with pytest.raises(error):
        app.lambda_handler(dict(EVENT), Context())


def test_a_model_that_is_too_busy_is_asked_again_for_long(endpoint: Stubber) -> None:
    """A container's 503 comes as a ModelError with its status: patience helps there, not with a broken model."""
    endpoint.add_client_error(
        "invoke_endpoint", "ModelError", http_status_code=424, modeled_fields={"OriginalStatusCode": 503}
    )

    with pytest.raises(EndpointUnavailableError, match="too busy"):
        app.lambda_handler(dict(EVENT), Context())


@pytest.mark.parametrize(
    "failure",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1:1"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1:1"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_an_endpoint_that_cannot_be_reached_is_unavailable(failure: Exception) -> None:
    """No connection, or no answer in time, is worth a long retry."""

    class Unreachable:
        def invoke_endpoint(self, **_: Any) -> None:
            raise failure

    with pytest.raises(EndpointUnavailableError):
        predict(Unreachable(), "vehiclevision", Picture(JPEG, "image/jpeg"))  # type: ignore[arg-type]


@pytest.mark.parametrize("image_data", [None, "", 7, "not base64!", "A" * 70_000, "ÄÖÜ=", *NEITHER])
def test_a_picture_that_is_none_is_an_invalid_request(endpoint: Stubber, image_data: Any) -> None:
    """Nothing is sent to the endpoint unless the event holds a JPEG or PNG of a plausible size in base64."""
    with pytest.raises(InvalidRequestError):
        app.lambda_handler({**EVENT, "image_data": image_data}, Context())


def test_a_failure_is_counted_and_logged_without_the_picture(
    endpoint: Stubber, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm's metric and the error's name are in the log; the picture is not."""
    monkeypatch.setattr(app.logger.registered_handler, "stream", sys.stdout)  # pytest exchanges it for each test
    endpoint.add_client_error("invoke_endpoint", "ModelError", "boom", http_status_code=424)

    with pytest.raises(EndpointModelError):
        app.lambda_handler(dict(EVENT), Context())

    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines()]
    assert any(line.get("PredictionFailed") == [1.0] for line in lines)
    assert any(line.get("error_name") == "EndpointModelError" for line in lines)
    assert EVENT["image_data"][:40] not in out


def test_a_missing_setting_fails_at_cold_start_by_name(root: Path) -> None:
    """Without ENDPOINT_NAME the function does not start, and says so."""
    environment = {"PYTHONPATH": str(root / "functions"), "AWS_DEFAULT_REGION": "us-east-1"}

    result = subprocess.run(
        [sys.executable, "-c", "import classify_image.app"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode != 0
    assert "ENDPOINT_NAME is not set" in result.stderr


def test_the_sample_event_is_accepted(endpoint: Stubber, root: Path) -> None:
    """events/classify_image.json is what the function takes."""
    event = json.loads((root / "events/classify_image.json").read_text())
    body = b"[0.9, 0.1]"
    endpoint.add_response(
        "invoke_endpoint",
        {"Body": StreamingBody(io.BytesIO(body), len(body)), "InvokedProductionVariant": "AllTraffic"},
        {"EndpointName": ANY, "ContentType": "image/jpeg", "Accept": ANY, "Body": ANY, "InferenceId": ANY},
    )

    assert app.lambda_handler(event, Context())["inferences"] == [0.9, 0.1]


@pytest.fixture
def capturing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The entry point as it starts where it captures, with an endpoint that answers and a bucket that takes all."""
    for name, value in (("BUCKET", "captures"), ("PREFIX", "capture"), ("PERCENT", "100")):
        monkeypatch.setenv(f"CAPTURE_{name}", value)
    spec = importlib.util.spec_from_file_location("capturing", app.__file__)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.kept = []
    module.s3.meta.events.register("provide-client-params.s3.PutObject", lambda params, **_: module.kept.append(params))
    with Stubber(module.runtime) as module.endpoint, Stubber(module.s3) as module.bucket:
        yield module


def test_what_is_captured_reads_as_sagemakers_own(capturing: Any) -> None:
    """Place, picture, answer, id, version and time are what monitoring reads of an endpoint's own captures."""
    capturing.bucket.add_response("put_object", {})
    answer(capturing.endpoint, b"[0.93, 0.06]", CustomAttributes="model_version=3f2a")

    capturing.lambda_handler(dict(EVENT), Context())

    (kept,) = capturing.kept
    parts, captured = key_parts(kept["Key"]), parse(kept["Body"].getvalue())
    assert kept["Bucket"] == "captures"
    assert kept["Key"].startswith("capture/vehiclevision/AllTraffic/")
    assert parts is not None
    assert isinstance(captured, Captured)
    assert captured.answer is not None
    assert captured.at is not None
    assert captured.at.replace(minute=0, second=0) == parts.hour
    assert (captured.picture, tuple(captured.answer.confidences)) == (JPEG, (0.93, 0.06))
    assert (captured.inference_id, captured.model_version) == (inference_id("photos", "uploads/a.jpg", "v1"), "3f2a")


def test_what_cannot_be_captured_is_counted_and_answered(capturing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused by S3, the answer is the same, and the metric tells."""
    capturing.bucket.add_client_error("put_object", "AccessDenied")
    answer(capturing.endpoint, b"[0.93, 0.06]")

    assert capturing.lambda_handler(dict(EVENT), Context())["inferences"] == [0.93, 0.06]
    assert '"CaptureFailed":[1.0]' in capsys.readouterr().out.replace(" ", "")


def test_an_answer_does_not_wait_for_its_capture(capturing: Any) -> None:
    """One try, given up before the function's own time, and the endpoint's, are up."""
    config = capturing.s3.meta.config

    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout + CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS < 30


def test_a_share_of_the_photos_is_captured_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten thousand photos a tenth, within four standard deviations; a larger share holds the smaller one."""
    exchanges = [
        Exchange("e", None, None, inference_id("photos", f"{number}.jpg", "v1"), datetime.now(UTC))  # type: ignore[arg-type]
        for number in range(10_000)
    ]
    tenth, half = ({each.inference_id for each in exchanges if each.is_of(percent)} for percent in (10, 50))

    assert abs(len(tenth) - 1_000) < 4 * 30
    assert tenth < half
    assert not [each for each in exchanges if each.is_of(0)]
    assert all(each.is_of(100) for each in exchanges)


@pytest.mark.parametrize(
    ("given", "destination"),
    [
        ({}, None),
        ({"CAPTURE_BUCKET": "", "CAPTURE_PREFIX": "capture", "CAPTURE_PERCENT": "100"}, None),
        ({"CAPTURE_BUCKET": "b", "CAPTURE_PREFIX": "capture", "CAPTURE_PERCENT": "0"}, None),
        ({"CAPTURE_BUCKET": "b", "CAPTURE_PREFIX": "a/b/", "CAPTURE_PERCENT": "12.5"}, Destination("b", "a/b", 12.5)),
    ],
)
def test_nothing_is_captured_unless_told_to(given: dict[str, str], destination: Destination | None) -> None:
    """Only with a bucket and a share."""
    assert ClassifySettings.from_environment({"ENDPOINT_NAME": "e", **given}).capture == destination


@pytest.mark.parametrize("percent", ["", "many", "-1", "101", "nan"])
def test_a_wrong_share_is_refused_at_the_start(percent: str) -> None:
    """By the setting's name."""
    given = {"ENDPOINT_NAME": "e", "CAPTURE_BUCKET": "b", "CAPTURE_PREFIX": "c", "CAPTURE_PERCENT": percent}
    with pytest.raises(SettingsError, match="CAPTURE_PERCENT"):
        ClassifySettings.from_environment(given)
