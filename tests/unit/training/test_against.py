"""Requests to Rekognition and Bedrock as AWS has them, answers read as what they are: from outside; figures by hand."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
import numpy as np
import pytest
from botocore.stub import ANY, Stubber

from training.errors import ServiceFailedError
from training.evaluation.against import Kept, Widest, equal_errors
from training.evaluation.scores import judge
from training.evaluation.services import ask
from vehiclevision.labels import TRUTHS
from vehiclevision.opinion import (
    MAX_TOKENS,
    QUESTION,
    Bedrock,
    Rekognition,
    Said,
    UnusableAnswerError,
    rated,
    stated,
)

JPEG = b"\xff\xd8\xff any"
USAGE = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}


def client(service: str) -> Any:
    session = botocore.session.get_session()
    return session.create_client(service, "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


def converse(content: list[dict[str, Any]], **other: Any) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "end_turn", "usage": USAGE, "metrics": {"latencyMs": 1}, **other,
    }  # fmt: skip


def label(name: str, confidence: Any = 80.0, **other: Any) -> dict[str, Any]:
    return {"Name": name, "Confidence": confidence, **other}


def test_the_request_to_rekognition_is_one_that_aws_knows() -> None:
    """The picture in the request itself, all labels, however unsure."""
    rekognition = client("rekognition")
    with Stubber(rekognition) as stubber:
        stubber.add_response(
            "detect_labels",
            {"Labels": [label("Bicycle")], "LabelModelVersion": "3.0"},
            {"Image": {"Bytes": JPEG}, "MaxLabels": 1000, "MinConfidence": 0.0},
        )

        said = ask(Rekognition(rekognition), "us-east-1", JPEG)

    assert (said.confidences, said.unusable, said.version) == ((0.8, 0.0), None, "3.0")


def test_the_request_to_bedrock_is_one_that_aws_knows() -> None:
    """The picture before the question, little room for an answer, and no setting that a model may lack."""
    bedrock = client("bedrock-runtime")
    message = {
        "role": "user",
        "content": [{"image": {"format": "jpeg", "source": {"bytes": JPEG}}}, {"text": QUESTION}],
    }
    thought = {"reasoningContent": {"reasoningText": {"text": '{"shows": "bicycle", "sure": 1}'}}}
    with Stubber(bedrock) as stubber:
        stubber.add_response(
            "converse",
            converse([thought, {"text": '{"shows": "motorcycle", "sure": 60}'}]),
            {"modelId": "m", "messages": [message], "inferenceConfig": {"maxTokens": MAX_TOKENS}},
        )

        said = ask(Bedrock(bedrock, "m"), "us-east-1", JPEG)

    assert (said.confidences, said.tokens_in, said.tokens_out) == ((0.0, 0.6), 7, 3)
    assert all(f'"{truth}"' in QUESTION for truth in TRUTHS)


@pytest.mark.parametrize("other", [{"stopReason": "max_tokens"}, {"stopReason": "guardrail_intervened"}])
def test_an_answer_that_was_cut_short_is_of_no_use(other: dict[str, Any]) -> None:
    """Even if it reads like one; what it used is counted all the same."""
    bedrock = client("bedrock-runtime")
    with Stubber(bedrock) as stubber:
        stubber.add_response("converse", converse([{"text": '{"shows": "bicycle", "sure": 99}'}], **other), ANY_REQUEST)

        said = ask(Bedrock(bedrock, "m"), "us-east-1", JPEG)

    assert (said.confidences, said.unusable) == ((0.0, 0.0), "it did not come to an end")
    assert said.tokens_out == 3


ANY_REQUEST: Mapping[str, Any] = {"modelId": ANY, "messages": ANY, "inferenceConfig": ANY}


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_being_throttled_is_said_as_such(code: str) -> None:
    """When the client has tried as often as it is told to."""
    rekognition = client("rekognition")
    with Stubber(rekognition) as stubber:
        stubber.add_client_error("detect_labels", code)

        with pytest.raises(ServiceFailedError, match="AWS asks to slow down") as raised:
            ask(Rekognition(rekognition), "us-east-1", JPEG)

    assert raised.value.hint == "Wait a minute."


@pytest.mark.parametrize(
    ("labels", "confidences"),
    [
        ([], (0.0, 0.0)),
        ([label("Bicycle", 90)], (0.9, 0.0)),
        ([label("bike", 90)], (0.9, 0.0)),
        ([label("Cycle", 90, Aliases=[{"Name": "Bicycle"}])], (0.9, 0.0)),
        ([label("Mountain Bike", 90, Parents=[{"Name": "Bicycle"}, {"Name": "Vehicle"}])], (0.9, 0.0)),
        ([label("Moped", 70), label("Motorcycle", 60)], (0.0, 0.7)),
        ([label("Motor-Scooter", 70)], (0.0, 0.7)),
        ([label("Bicycle", 90), label("Motorcycle", 80)], (0.9, 0.8)),
        ([label("Bicycle Helmet", 90), label("Vehicle", 99), label("Scooter", 99)], (0.0, 0.0)),
        ([label("Wheel", 99, Parents="Bicycle", Aliases=[3, {"Name": 4}])], (0.0, 0.0)),
    ],
)
def test_which_of_rekognitions_labels_are_ours(labels: list[Any], confidences: tuple[float, ...]) -> None:
    """By name, by alias, as a kind of it, and by a few other names; nothing that merely sounds like it."""
    assert rated(labels) == confidences


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        ["Bicycle"],
        [{"Name": "Bicycle"}],
        *([label("Bicycle", x)] for x in (101, -1, True, "9", float("nan"))),
    ],
)
def test_what_is_no_list_of_rated_labels_is_refused(labels: Any) -> None:
    """Nothing is guessed from part of an answer."""
    with pytest.raises(UnusableAnswerError):
        rated(labels)


@pytest.mark.parametrize(
    ("text", "confidences"),
    [
        ('{"shows": "bicycle", "sure": 90}', (0.9, 0.0)),
        (' {"sure": 12.5, "shows": "motorcycle"}\n', (0.0, 0.125)),
        ('{"shows": "neither", "sure": 99}', (0.0, 0.0)),
        ('```json\n{"shows": "bicycle",\n "sure": 90}\n```', (0.9, 0.0)),
    ],
)
def test_one_json_object_is_an_answer(text: str, confidences: tuple[float, ...]) -> None:
    """Also in a block of code, into which models put it."""
    assert stated(text) == confidences


@pytest.mark.parametrize(
    "text",
    [
        "", "bicycle", "null", "[]", '"bicycle"', "[" * 100_000, "```\n```",
        'It shows {"shows": "bicycle", "sure": 90}', '{"shows": "bicycle", "sure": 90} I am sure.',
        '{"shows": "bicycle"}', '{"shows": "bicycle", "sure": 90, "also": 1}', '{"shows": "car", "sure": 90}',
        '{"shows": ["bicycle"], "sure": 90}', '{"shows": "bicycle", "sure": "90"}',
        '{"shows": "bicycle", "sure": true}',
        '{"shows": "bicycle", "sure": NaN}', '{"shows": "bicycle", "sure": 101}', '{"shows": "bicycle", "sure": -1}',
        '{"shows": "bicycle", "sure": ' + "9" * 5000 + "}", '{"shows": "Bicycle", "sure": 90}',
    ],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    """No word is picked out of a sentence, and no number put right."""
    with pytest.raises(UnusableAnswerError):
        stated(text)


def test_both_are_compared_where_they_err_as_often() -> None:
    """Ours at 0.7: four pass, one of them wrong. At as many mistakes the other lets three of four vehicles pass."""
    classes = np.array([0, 0, 1, 1, 2])
    ours = judge(np.array([[0.9, 0], [0.8, 0], [0.75, 0], [0, 0.6], [0, 0.7]]), classes)
    theirs = judge(np.array([[0.99, 0], [0.99, 0], [0, 0.98], [0.97, 0], [0.0, 0.0]]), classes)

    own, one, *_ = equal_errors(ours, theirs, 0.72)

    assert own.of_our_threshold
    assert own.error == pytest.approx(1 / 3, abs=1e-6)
    assert own.ours == Widest(0.75, 0.75)
    assert own.theirs == Widest(0.97, 1.0)
    assert one.ours == Widest(0.8, 0.5)
    assert one.theirs == Widest(0.98, 0.75)


def test_one_that_always_errs_lets_nothing_pass() -> None:
    """There is no threshold for it, and answers without any confidence never pass."""
    classes = np.array([0, 1])
    right, wrong = judge(np.array([[0.9, 0], [0, 0.9]]), classes), judge(np.array([[0, 0.9], [0.0, 0.0]]), classes)

    (_, row, *_) = equal_errors(right, wrong, 0.7)

    assert row.ours == Widest(0.9, 1.0)
    assert row.theirs == Widest(None, None)


def test_an_answer_is_on_the_disk_before_the_next(tmp_path: Path) -> None:
    """Also behind a line that was cut short: that one is lost, no other."""
    file = tmp_path / "answers.jsonl"
    kept = Kept.read(file)
    kept.add("first", Said((0.5, 0.0), None, 1.5))
    file.write_text(file.read_text() + '{"key": "torn", "conf')

    Kept.read(file).add("second", Said((0.0, 0.0), "why", 2.0, 3, 4, "v"))

    assert Kept.read(file).answers == {
        "first": Said((0.5, 0.0), None, 1.5), "second": Said((0.0, 0.0), "why", 2.0, 3, 4, "v")
    }  # fmt: skip
    assert json.loads(file.read_text().splitlines()[-1])["key"] == "second"
