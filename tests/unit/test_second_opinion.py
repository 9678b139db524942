"""A second opinion about a doubtful photo: asked by the real function over HTTP, and never worse than none."""

import base64
import importlib.util
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from PIL import Image
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from classify_image import app
from filter_inferences import app as filtering
from tests.unit.cli.answering_services import Services, refuses, says, services
from tests.unit.lambda_context import Context
from tests.unit.pictures import encoded
from vehiclevision.answer import Answer
from vehiclevision.decision import Opinion, decide
from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET, InvalidRequestError
from vehiclevision.settings import (
    CAPTURE_CONNECT_SECONDS,
    CAPTURE_READ_SECONDS,
    CONNECT_TIMEOUT_SECONDS,
    OPINION_CONNECT_SECONDS,
    OPINION_READ_SECONDS,
    READ_TIMEOUT_SECONDS,
    ClassifySettings,
    SettingsError,
)

WHITE = encoded(Image.new("RGB", (224, 224), "white"), "JPEG")
EVENT = {"image_data": base64.b64encode(WHITE).decode()}
DOUBTFUL, SURE, HOPELESS = b"[0.6, 0.1]", b"[0.9, 0.05]", b"[0.5, 0.1]"

# Classifies a photo about which the endpoint says this.
Classified = Callable[[bytes], dict[str, Any]]


@pytest.fixture
def asked() -> Iterator[Services]:
    with services() as both:
        yield both


@pytest.fixture
def function(asked: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Classified]:
    """The entry point as it starts where it asks that service, at a threshold of 0.7."""

    def started(service: str) -> Classified:
        for name in ("REKOGNITION", "BEDROCK_RUNTIME"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", asked.url)
        monkeypatch.setenv("SECOND_OPINION", service)
        monkeypatch.setenv("CONFIDENCE_THRESHOLD", "0.7")
        spec = importlib.util.spec_from_file_location("asking", app.__file__)
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        def classified(answer: bytes) -> dict[str, Any]:
            response = {"Body": StreamingBody(io.BytesIO(answer), len(answer)), "InvokedProductionVariant": "All"}
            request = {"EndpointName": ANY, "ContentType": ANY, "Accept": ANY, "Body": ANY}
            with Stubber(module.runtime) as endpoint:
                endpoint.add_response("invoke_endpoint", response, request)
                output: dict[str, Any] = module.lambda_handler(dict(EVENT), Context())
            return output

        return classified

    return started


@pytest.mark.parametrize(
    ("service", "confidence"), [("rekognition", 0.97), ("bedrock:us.anthropic.claude-haiku-5-5", 0.95)]
)
def test_a_doubtful_photo_is_shown_to_somebody_else(
    function: Callable[[str], Classified], asked: Services, service: str, confidence: float
) -> None:
    """The picture that the run carries, in a request that AWS knows; who said what, and how sure, goes on."""
    output = function(service)(DOUBTFUL)

    assert output["second_opinion"] == {"by": service, "label": "bicycle", "confidence": confidence}
    assert (asked.pictures, asked.wrong) == ([WHITE], [])
    assert filtering.lambda_handler(output, Context())["label"] == "bicycle"


@pytest.mark.parametrize("answer", [SURE, HOPELESS, b"[0, 0]"])
def test_nobody_is_asked_where_it_could_decide_nothing(
    function: Callable[[str], Classified], asked: Services, answer: bytes
) -> None:
    """The model is sure, or something else is as likely as its surest label: neither costs anything."""
    assert "second_opinion" not in function("rekognition")(answer)
    assert asked.pictures == []


def test_by_default_nobody_is_asked(function: Callable[[str], Classified], asked: Services) -> None:
    """The output is what it always was."""
    output = function("none")(DOUBTFUL)

    assert set(output) == {"image_data", "inferences", "model_version"}
    assert asked.pictures == []


@pytest.mark.parametrize(
    ("service", "answer"),
    [
        ("rekognition", refuses("AccessDeniedException")),
        ("rekognition", refuses("ThrottlingException")),
        ("rekognition", refuses("InternalServerError", 500)),
        ("rekognition", (200, {"Labels": "bicycle"})),
        ("rekognition", (200, {"Labels": [{"Name": "Bicycle", "Confidence": "NaN"}]})),
        ("bedrock:m", refuses("ValidationException")),
        ("bedrock:m", says("A bicycle, surely.")),
        ("bedrock:m", says('{"shows": "bicycle", "sure": 99}', stop="guardrail_intervened")),
        ("bedrock:m", (200, {"output": []})),
        ("bedrock:m", (200, {})),
    ],
)
def test_without_a_usable_answer_all_goes_on_as_if_nobody_had_been_asked(
    function: Callable[[str], Classified],
    asked: Services,
    capsys: pytest.CaptureFixture[str],
    service: str,
    answer: tuple[int, dict[str, Any]],
) -> None:
    """Asked once, counted where the dashboard sees it, and a person decides, as without it."""
    asked.rekognition = asked.bedrock = lambda picture: answer

    output = function(service)(DOUBTFUL)

    assert (output["inferences"], "second_opinion" in output) == ([0.6, 0.1], False)
    assert len(asked.pictures) == 1
    assert '"SecondOpinionFailed":[1.0]' in capsys.readouterr().out.replace(" ", "")
    with pytest.raises(THRESHOLD_CONFIDENCE_NOT_MET):
        filtering.lambda_handler(output, Context())


def test_somebody_who_cannot_be_reached_is_nobody(
    function: Callable[[str], Classified], asked: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the local AWS, which has neither service."""
    classified = function("rekognition")
    asked.shutdown()
    asked.server_close()

    assert "second_opinion" not in classified(DOUBTFUL)


def test_all_that_the_function_waits_for_fits_into_its_time(root: Path) -> None:
    """An endpoint, a second opinion and a capture that all take as long as they may leave time to answer."""
    template = yaml_parse((root / "template.yaml").read_text())
    waits = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, OPINION_CONNECT_SECONDS, OPINION_READ_SECONDS)

    seconds = sum(waits) + CAPTURE_CONNECT_SECONDS + CAPTURE_READ_SECONDS

    assert seconds < template["Resources"]["ClassifyImageFunction"]["Properties"]["Timeout"]


@pytest.mark.parametrize(
    ("answer", "opinion", "passes"),
    [
        (Answer((0.6, 0.1)), Opinion("r", "bicycle", 0.8), True),
        (Answer((0.1, 0.51)), Opinion("r", "motorcycle", 1.0), True),
        (Answer((0.6, 0.1)), Opinion("r", "bicycle", 0.79), False),
        (Answer((0.6, 0.1)), Opinion("r", "motorcycle", 1.0), False),
        (Answer((0.6, 0.1)), Opinion("r", "neither", 1.0), False),
        (Answer((0.5, 0.1)), Opinion("r", "bicycle", 1.0), False),
        (Answer((0.0, 0.0)), Opinion("r", "bicycle", 1.0), False),
        (Answer((0.6, 0.1)), None, False),
        (Answer((0.9, 0.1)), Opinion("r", "motorcycle", 1.0), True),
    ],
)
def test_only_agreement_of_two_that_are_both_rather_sure_passes(
    answer: Answer, opinion: Opinion | None, passes: bool
) -> None:
    """The other decides nothing alone; what the model is sure of, it does not undo."""
    if passes:
        assert decide(answer, 0.7, opinion).label == answer.label
    else:
        with pytest.raises(THRESHOLD_CONFIDENCE_NOT_MET):
            decide(answer, 0.7, opinion)


@pytest.mark.parametrize("told", [[], "bicycle", {}, {"by": "r", "label": "bicycle", "confidence": 2}])
def test_an_opinion_made_by_hand_is_refused(told: Any) -> None:
    """It comes from Classify image, or not at all."""
    with pytest.raises(InvalidRequestError):
        filtering.lambda_handler({"inferences": [0.6, 0.1], "second_opinion": told}, Context())


def test_agreement_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the answers that pass, so that the dashboard tells how many pass only so."""
    opinion = {"by": "rekognition", "label": "bicycle", "confidence": 0.9}

    filtering.lambda_handler({"inferences": [0.6, 0.1], "second_opinion": opinion}, Context())

    metrics = next(line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line)
    assert (metrics["Confident"], metrics["Seconded"]) == ([1.0], [1.0])


@pytest.mark.parametrize("service", ["textract", "bedrock:", "bedrock", "bedrock:a b", "rekognition:x"])
def test_a_service_that_is_none_is_refused_at_the_start(service: str) -> None:
    """By the setting's name, as is a threshold that is missing where somebody is asked."""
    with pytest.raises(SettingsError, match="SECOND_OPINION"):
        ClassifySettings.from_environment({"ENDPOINT_NAME": "e", "SECOND_OPINION": service})
    with pytest.raises(SettingsError, match="CONFIDENCE_THRESHOLD"):
        ClassifySettings.from_environment({"ENDPOINT_NAME": "e", "SECOND_OPINION": "rekognition"})
