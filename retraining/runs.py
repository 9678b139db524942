"""Runs of retraining as a person meets them: started by hand, followed, listed, and answered where they wait."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from retraining.errors import RetrainingError
from vehiclevision.storage import listed

RUNS_LISTED: Final = 10
# How long a question that somebody is reading is kept from the next who asks.
READING_SECONDS: Final = 20
WAITING: Final = "AWAITING_APPROVAL"
FAILED: Final = "FAILED"
APPROVAL_STATE: Final = "Await approval"
REJECTED: Final = "ChallengerRejected"


@dataclass(frozen=True)
class Retraining:
    """The state machine and the queue of its questions, with a boto3 client by its service's name."""

    client: Callable[[str], Any]
    state_machine: str
    queue: str
    # A queue in AWS asks only some of its servers unless one waits.
    patience_seconds: int = 2
    poll_seconds: float = 2.0


@dataclass(frozen=True)
class Question:
    """A model that waits for approval."""

    receipt: str
    token: str
    execution: str
    version: int
    words: str

    def as_json(self) -> dict[str, Any]:
        """For the next program."""
        return {"version": self.version, "execution": self.execution, "words": self.words}


# ---- runs ------------------------------------------------------------------------------------------------------------


def start(retraining: Retraining) -> str:
    """Start a run; its execution."""
    started = retraining.client("stepfunctions").start_execution(
        stateMachineArn=retraining.state_machine, input=json.dumps({"started_by": "hand"})
    )
    return str(started["executionArn"])


def follow(retraining: Retraining, execution: str, entered: Callable[[str], None]) -> dict[str, Any]:
    """Tell of each state that a run enters until it ends, or until it waits for a person; what came of it."""
    told = 0
    while True:
        run = retraining.client("stepfunctions").describe_execution(executionArn=execution)
        states = list(states_entered(retraining, execution))
        for state in states[told:]:
            entered(state)
        told = len(states)
        if run["status"] != "RUNNING":
            return outcome(run)
        if states and states[-1] == APPROVAL_STATE:
            return {"execution": execution, "outcome": WAITING, "reason": "A better model waits for approval."}
        time.sleep(retraining.poll_seconds)


def states_entered(retraining: Retraining, execution: str) -> Iterator[str]:
    """The states that a run has come to so far."""
    history = {"executionArn": execution, "includeExecutionData": False}
    for event in listed(retraining.client("stepfunctions"), "get_execution_history", "events", **history):
        if "stateEnteredEventDetails" in event:
            yield str(event["stateEnteredEventDetails"]["name"])


def outcome(run: Mapping[str, Any]) -> dict[str, Any]:
    """What came of an ended run, in the state machine's own words."""
    execution = {"execution": str(run["executionArn"])}
    if run["status"] == "SUCCEEDED":
        return {**execution, **json.loads(run["output"])}
    return {**execution, "outcome": FAILED, "reason": str(run.get("cause") or run["status"])}


def latest(retraining: Retraining) -> list[dict[str, Any]]:
    """The newest runs, newest first, and what came of each."""
    client = retraining.client("stepfunctions")
    listed = client.list_executions(stateMachineArn=retraining.state_machine, maxResults=RUNS_LISTED)["executions"]
    runs: list[dict[str, Any]] = []
    for each in listed:
        execution, began = each["executionArn"], {"began": str(each["startDate"])[:19]}
        if each["status"] != "RUNNING":
            runs.append({**began, **outcome(client.describe_execution(executionArn=execution))})
            continue
        *_, state = ["", *states_entered(retraining, execution)]
        standing = WAITING if state == APPROVAL_STATE else f"RUNNING: {state}"
        runs.append({**began, "execution": execution, "outcome": standing, "reason": ""})
    return runs


# ---- questions -------------------------------------------------------------------------------------------------------


def questions(retraining: Retraining) -> Iterator[Question]:
    """The models that wait; questions whose run has ended are deleted."""
    sqs, states = retraining.client("sqs"), retraining.client("stepfunctions")
    while messages := sqs.receive_message(
        QueueUrl=retraining.queue,
        MaxNumberOfMessages=10,
        VisibilityTimeout=READING_SECONDS,
        WaitTimeSeconds=retraining.patience_seconds,
    ).get("Messages", []):
        for message in messages:
            question = _question(message)
            if question is None:
                continue
            try:
                running = states.describe_execution(executionArn=question.execution)["status"] == "RUNNING"
            except states.exceptions.ExecutionDoesNotExist:
                running = False
            if running:
                yield question
            else:
                _forget(retraining, question)


def choose(retraining: Retraining, number: int | None) -> Question:
    """The newest model that waits, or a version by its number; the others go back for whoever asks next."""
    waiting = list(questions(retraining))
    fit = [question for question in waiting if number in (None, question.version)]
    chosen = max(fit, key=lambda question: question.version, default=None)
    for question in waiting:
        if question is not chosen:
            put_back(retraining, question)
    if chosen is None:
        raise RetrainingError(
            f"Version {number} does not wait for approval." if number else "No model waits for approval.",
            "See what does: vehiclevision retrain describe",
        )
    return chosen


def put_back(retraining: Retraining, question: Question) -> None:
    """Let the next who asks see it at once."""
    retraining.client("sqs").change_message_visibility(
        QueueUrl=retraining.queue, ReceiptHandle=question.receipt, VisibilityTimeout=0
    )


def approve(retraining: Retraining, question: Question) -> None:
    """Answer yes."""
    answer = json.dumps({"approved": True})
    retraining.client("stepfunctions").send_task_success(taskToken=question.token, output=answer)
    _forget(retraining, question)


def reject(retraining: Retraining, question: Question, reason: str) -> None:
    """Answer no."""
    words = f"A person refused it: {reason}" if reason else "A person refused it."
    retraining.client("stepfunctions").send_task_failure(taskToken=question.token, error=REJECTED, cause=words[:1000])
    _forget(retraining, question)


def _forget(retraining: Retraining, question: Question) -> None:
    retraining.client("sqs").delete_message(QueueUrl=retraining.queue, ReceiptHandle=question.receipt)


def _question(message: Mapping[str, Any]) -> Question | None:
    """The question that a message asks; None where somebody else has put something into the queue."""
    try:
        body = json.loads(message["Body"])
        return Question(
            message["ReceiptHandle"], body["token"], body["execution"], int(body["version"]), str(body["words"])
        )
    except (ValueError, KeyError, TypeError):
        return None
