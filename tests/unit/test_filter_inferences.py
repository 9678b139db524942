"""Filter inferences: sure answers pass with their route, unsure ones raise by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from filter_inferences import app
from tests.unit.lambda_context import Context
from vehiclevision.answer import Answer
from vehiclevision.decision import decide
from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET, InvalidPredictionError, InvalidRequestError
from vehiclevision.settings import ClassifySettings, SettingsError, confidence_threshold

EVENT = {"s3_bucket": "photos", "s3_key": "uploads/a.jpg", "image_data": "aGVsbG8="}


def outcome(inferences: Any) -> dict[str, Any]:
    answer: dict[str, Any] = app.lambda_handler({**EVENT, "inferences": inferences}, Context())
    return answer


@pytest.mark.parametrize(
    ("inferences", "label", "confidence", "route"),
    [
        ([0.9, 0.05], "bicycle", 0.9, "nearby"),
        ([0.05, 0.9], "motorcycle", 0.9, "distant"),
        ([0.7, 0.3], "bicycle", 0.7, "nearby"),
        ([0, 1], "motorcycle", 1.0, "distant"),
    ],
)
def test_a_sure_answer_passes_with_its_route(
    inferences: list[float], label: str, confidence: float, route: str
) -> None:
    """Bicycle means nearby, motorcycle distant; the threshold itself is sure enough; the event stays whole."""
    output = outcome(inferences)

    assert output == {**EVENT, "inferences": inferences, "label": label, "confidence": confidence, "route": route}


def test_where_metrics_are_disabled_none_is_ever_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Leanly deployed a warm function goes through hundreds of photos: it neither prints metrics nor gathers them."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")

    for _ in range(101):
        outcome([0.9, 0.05])

    assert "_aws" not in capsys.readouterr().out


@pytest.mark.parametrize("inferences", [[0.5, 0.5], [0.01, 0.02], [0.6999, 0.0], [0, 0]])
def test_an_unsure_answer_raises_by_the_name_that_operators_know(inferences: list[float]) -> None:
    """Below the threshold the error's class is THRESHOLD_CONFIDENCE_NOT_MET."""
    with pytest.raises(THRESHOLD_CONFIDENCE_NOT_MET) as caught:
        outcome(inferences)

    assert type(caught.value).__name__ == "THRESHOLD_CONFIDENCE_NOT_MET"


@pytest.mark.parametrize("inferences", [[0.9], [0.9, 0.9], ["0.9", 0], [float("nan"), 0]])
def test_numbers_that_cannot_be_true_are_not_filtered(inferences: list[Any]) -> None:
    """Started by hand with nonsense, the function refuses it."""
    with pytest.raises(InvalidPredictionError):
        outcome(inferences)


@pytest.mark.parametrize("inferences", [None, "0.9", {"bicycle": 0.9}])
def test_without_a_list_there_is_no_request(inferences: Any) -> None:
    """The list comes from Classify image."""
    with pytest.raises(InvalidRequestError):
        outcome(inferences)


def test_the_threshold_decides() -> None:
    """The same confidences pass at one threshold and not at another."""
    assert decide(Answer((0.8, 0.1)), 0.8).label == "bicycle"
    with pytest.raises(THRESHOLD_CONFIDENCE_NOT_MET):
        decide(Answer((0.8, 0.1)), 0.81)


@pytest.mark.parametrize("threshold", ["", "high", "0.5", "0", "1.01", "nan", "-1"])
def test_a_wrong_threshold_fails_at_cold_start_by_name(threshold: str) -> None:
    """Only a number above 0.5 and at most 1 is taken: otherwise two labels could pass."""
    with pytest.raises(SettingsError, match="CONFIDENCE_THRESHOLD"):
        confidence_threshold({"CONFIDENCE_THRESHOLD": threshold})


def test_settings_are_read_by_name() -> None:
    """What the template sets is what the functions read."""
    assert confidence_threshold({"CONFIDENCE_THRESHOLD": "0.85"}) == 0.85
    assert ClassifySettings.from_environment({"ENDPOINT_NAME": " vv "}).endpoint_name == "vv"


def test_review_and_confidence_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Both metrics that the alarms read are in the log, also when the function raises."""
    with pytest.raises(THRESHOLD_CONFIDENCE_NOT_MET):
        outcome([0.4, 0.3])

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = next(line for line in lines if "_aws" in line)
    assert (metrics["NeedsReview"], metrics["Confidence"], metrics["service"]) == ([1.0], [0.4], "vehiclevision")


def test_the_sample_event_is_accepted(root: Path) -> None:
    """events/filter_inferences.json is what the function takes."""
    event = json.loads((root / "events/filter_inferences.json").read_text())

    assert app.lambda_handler(event, Context())["label"] == "bicycle"
