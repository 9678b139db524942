"""The `retrain` commands: what a run came to, and which questions wait."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cli.commands.retrain.start import outcome
from cli.retraining import asked
from cli.target import Target
from console.served import aws_of
from lifecycle import registry
from lifecycle.errors import NothingFoundError
from lifecycle.images import OWN
from lifecycle.registry import Candidate
from retraining import runs
from retraining.errors import RetrainingError
from retraining.runs import Retraining


@pytest.fixture
def at(deployed: Target) -> Iterator[Retraining]:
    """A state machine and a queue."""
    machine = deployed.client("stepfunctions").create_state_machine(
        name="vehicles-retraining-retrain-model",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::123456789012:role/vehicles",
    )
    queue = deployed.client("sqs").create_queue(QueueName="approval")
    yield Retraining(deployed.client, machine["stateMachineArn"], queue["QueueUrl"], 0)


def ask(at: Retraining, version: int, *, ended: bool = False) -> str:
    states = at.client("stepfunctions")
    execution = str(states.start_execution(stateMachineArn=at.state_machine)["executionArn"])
    if ended:
        states.stop_execution(executionArn=execution)
    body = {"token": f"token-{version}", "execution": execution, "version": version, "words": "better"}
    at.client("sqs").send_message(QueueUrl=at.queue, MessageBody=json.dumps(body))
    return execution


def left(at: Retraining) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = at.client("sqs").get_queue_attributes(QueueUrl=at.queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_a_question_whose_run_has_ended_is_asked_no_more(at: Retraining) -> None:
    """What nobody answered in time is taken away; what is no question of ours is left alone."""
    ask(at, 3)
    ask(at, 2, ended=True)
    at.client("sqs").send_message(QueueUrl=at.queue, MessageBody="not a question")

    found = list(runs.questions(at))

    assert [question.version for question in found] == [3]
    assert left(at) == 2


def test_the_newest_or_the_named_version_is_answered(at: Retraining) -> None:
    """And the others go back for whoever asks next."""
    for version in (3, 5, 4):
        ask(at, version)

    newest = runs.choose(at, None)
    runs.put_back(at, newest)

    assert newest.version == 5
    assert runs.choose(at, 3).version == 3
    with pytest.raises(RetrainingError, match="Version 99 does not wait"):
        runs.choose(at, 99)


def test_a_version_is_named_by_its_model_too(at: Retraining, deployed: Target) -> None:
    """As `sagemaker approve` takes it; what is registered and does not wait, and what is not registered, is said."""
    outputs = {"RetrainModelStateMachineArn": at.state_machine, "ApprovalQueueUrl": at.queue}
    described = {"Stacks": [{"Outputs": [{"OutputKey": name, "OutputValue": outputs[name]} for name in outputs]}]}
    stacks = SimpleNamespace(describe_stacks=lambda **_: described)
    target: Any = SimpleNamespace(
        stack="vehicles",
        options="",
        is_local=True,
        beside=deployed.beside,
        output=lambda name: at.state_machine,
        client=lambda service: stacks if service == "cloudformation" else deployed.client(service),
    )
    models = ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
    for model in models:
        candidate = Candidate(OWN, "image", f"s3://b/{model}", model_sha256=model * 4, model_version=model)
        registry.register(aws_of(target), candidate)
    ask(at, 1)

    for name in (models[0], "1", None):
        _, question = asked(target, name)
        assert question.version == 1
        runs.put_back(at, question)
    with pytest.raises(RetrainingError, match="Version 2 does not wait"):
        asked(target, models[1])
    with pytest.raises(NothingFoundError, match="no such version"):
        asked(target, "cccccccccccc")


def test_without_questions_it_says_so(at: Retraining) -> None:
    """In a sentence."""
    with pytest.raises(RetrainingError, match="No model waits for approval"):
        runs.choose(at, None)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"status": "SUCCEEDED", "output": '{"outcome": "REPLACED", "reason": "better"}'}, ("REPLACED", "better")),
        ({"status": "FAILED", "error": "RETRAINING_FAILED", "cause": "The job ended"}, ("FAILED", "The job ended")),
        ({"status": "ABORTED"}, ("FAILED", "ABORTED")),
    ],
)
def test_a_run_tells_what_came_of_it(found: dict[str, Any], outcome: tuple[str, str]) -> None:
    """In the state machine's own words; a run that somebody stopped has none."""
    said = runs.outcome({"executionArn": "arn", **found})

    assert (said["outcome"], said["reason"]) == outcome


def test_a_run_that_ends_between_two_looks_has_told_every_state() -> None:
    """However quick it was: what it went through comes first, then what came of it."""

    class Ended:
        def describe_execution(self, **given: Any) -> dict[str, Any]:
            return {**given, "status": "SUCCEEDED", "output": "{}"}

        def get_paginator(self, _: str) -> Any:
            events = [{"stateEnteredEventDetails": {"name": name}} for name in ("Stage data", "Held back")]
            return SimpleNamespace(paginate=lambda **_: [{"events": events}])

    told: list[str] = []

    runs.follow(Retraining(lambda _: Ended(), "machine", "queue"), "run", told.append)

    assert told == ["Stage data", "Held back"]


def test_another_threshold_that_would_cost_less_is_named() -> None:
    """The deployed threshold stays: changing it is a person's decision."""
    done = {"outcome": "REPLACED", "reason": "better", "threshold": 0.856, "cheapest_threshold": 0.81}

    assert "ConfidenceThreshold=0.81" in "".join(outcome(done, ""))
