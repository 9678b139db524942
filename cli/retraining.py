"""The `retrain` commands: start a run, follow it, show what came of the latest, answer one that waits."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.display import notes, output, print_json, printable
from cli.display import typed as command
from cli.errors import FAILURE, INTERRUPTED, CommandError
from cli.target import Target

SUCCESS: Final = 0
RUNS_SHOWN: Final = 10
POLL_SECONDS: Final = 2.0
# How long a question that somebody is reading is kept from the next who asks.
READING_SECONDS: Final = 20
WAITING: Final = "AWAITING_APPROVAL"
FAILED: Final = "FAILED"
APPROVAL_STATE: Final = "Await approval"
# States that a person wants to hear of; the rest passes in a moment.
TOLD: Final = {
    "Stage data": "Looking at labels, cool-down and budget",
    "Train challenger": "Training the new model, then comparing it with the present one",
    "Register challenger": "Reading the comparison",
    "Update endpoint": "Moving the endpoint to the new model, watched by its alarms",
    "Watch": "The new model answers; watching it",
    "Put former back": "An alarm went off: putting the former model back",
}
_REJECTED: Final = "ChallengerRejected"


@dataclass(frozen=True)
class Retraining:
    """The state machine and its questions, by the outputs of retraining's stack."""

    target: Target
    state_machine: str
    questions: str
    # A queue in AWS asks only some of its servers unless one waits.
    patience_seconds: int = 2


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


def connect(target: Target) -> Retraining:
    """Retraining of an application; CommandError where it is not deployed."""
    name = f"{target.stack}-retraining"
    try:
        stack = target.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        stack = {}
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    try:
        patience = 0 if target.is_local else Retraining.patience_seconds
        return Retraining(target, outputs["RetrainModelStateMachineArn"], outputs["ApprovalQueueUrl"], patience)
    except KeyError as missing:
        raise CommandError(
            f"Retraining of {target.stack} is not deployed, or by a release that had it in monitoring's stack.",
            f"Deploy it: {command()} monitor deploy{target.options}",
        ) from missing


def start(target: Target, *, wait: bool, as_json: bool) -> int:
    """Start a run, and follow it to its end or to its question."""
    at = connect(target)
    states = target.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=at.state_machine, input=json.dumps({"started_by": "hand"}))
    name = str(execution["executionArn"])
    if not wait:
        return _tell(at, {"execution": name, "outcome": None}, as_json=as_json)
    try:
        return _tell(at, follow(at, name, quiet=as_json), as_json=as_json)
    except KeyboardInterrupt:
        notes().print(f"The run goes on without this command. See how it ends: {command()} retrain describe")
        return INTERRUPTED


def follow(at: Retraining, execution: str, *, quiet: bool = False) -> dict[str, Any]:
    """Tell where a run is until it ends, or until it waits for a person."""
    said: set[int] = set()
    while True:
        found = at.target.client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            return outcome(found)
        for number, state in entered(at, execution):
            if number not in said and not quiet and state in TOLD:
                notes().print(TOLD[state])
            said.add(number)
            last = state
        if said and last == APPROVAL_STATE:
            return {"execution": execution, "outcome": WAITING, "reason": "A better model waits for approval."}
        time.sleep(POLL_SECONDS if not at.target.is_local else POLL_SECONDS / 10)


def entered(at: Retraining, execution: str) -> Iterator[tuple[int, str]]:
    """The states that a run has come to so far, by event number."""
    pages = at.target.client("stepfunctions").get_paginator("get_execution_history")
    for page in pages.paginate(executionArn=execution, includeExecutionData=False):
        for event in page["events"]:
            if "stateEnteredEventDetails" in event:
                yield int(event["id"]), str(event["stateEnteredEventDetails"]["name"])


def outcome(found: Mapping[str, Any]) -> dict[str, Any]:
    """What came of an ended run, in the state machine's own words."""
    execution = {"execution": str(found["executionArn"])}
    if found["status"] == "SUCCEEDED":
        return {**execution, **json.loads(found["output"])}
    return {**execution, "outcome": FAILED, "reason": str(found.get("cause") or found["status"])}


def describe(target: Target, *, as_json: bool) -> int:
    """The latest runs, and what waits."""
    at = connect(target)
    states = target.client("stepfunctions")
    listed = states.list_executions(stateMachineArn=at.state_machine, maxResults=RUNS_SHOWN)["executions"]
    runs = []
    for each in listed:
        began = {"began": str(each["startDate"])[:19]}
        if each["status"] == "RUNNING":
            *_, (_, state) = [(0, ""), *entered(at, each["executionArn"])]
            said = WAITING if state == APPROVAL_STATE else f"RUNNING: {state}"
            runs.append({**began, "execution": each["executionArn"], "outcome": said, "reason": ""})
        else:
            runs.append({**began, **outcome(states.describe_execution(executionArn=each["executionArn"]))})
    waiting = list(questions(at))
    for question in waiting:
        _put_back(at, question)
    if as_json:
        print_json({"runs": runs, "waiting": [question.as_json() for question in waiting]})
        return SUCCESS
    console = output()
    if not runs:
        console.print(f"No run yet. Start one: {command()} retrain start{target.options}")
    for run in runs:
        console.print(f"{run['began']}  {run['outcome']:<18} {printable(str(run.get('reason', '')))}")
    for question in waiting:
        console.print(f"Version {question.version} waits: {printable(question.words)}")
        console.print(f"Next: {command()} retrain approve --version {question.version}{target.options}, or reject")
    return SUCCESS


def approve(target: Target, number: int | None, *, as_json: bool) -> int:
    """Answer yes."""
    at = connect(target)
    question = _chosen(at, number)
    at.target.client("stepfunctions").send_task_success(taskToken=question.token, output=json.dumps({"approved": True}))
    return _answered(at, question, "approved", as_json=as_json)


def reject(target: Target, number: int | None, reason: str, *, as_json: bool) -> int:
    """Answer no."""
    at = connect(target)
    question = _chosen(at, number)
    words = f"A person refused it: {reason}" if reason else "A person refused it."
    at.target.client("stepfunctions").send_task_failure(taskToken=question.token, error=_REJECTED, cause=words[:1000])
    return _answered(at, question, "refused", as_json=as_json)


def questions(at: Retraining) -> Iterator[Question]:
    """The models that wait; questions whose run has ended are deleted."""
    sqs, states = at.target.client("sqs"), at.target.client("stepfunctions")
    while True:
        answer = sqs.receive_message(
            QueueUrl=at.questions,
            MaxNumberOfMessages=10,
            VisibilityTimeout=READING_SECONDS,
            WaitTimeSeconds=at.patience_seconds,
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
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
                sqs.delete_message(QueueUrl=at.questions, ReceiptHandle=question.receipt)


def _question(message: Mapping[str, Any]) -> Question | None:
    """The question that a message asks; None where somebody else has put something into the queue."""
    try:
        body = json.loads(message["Body"])
        return Question(
            message["ReceiptHandle"], body["token"], body["execution"], int(body["version"]), str(body["words"])
        )
    except (ValueError, KeyError, TypeError):
        return None


def _chosen(at: Retraining, number: int | None) -> Question:
    found = list(questions(at))
    wanted = [question for question in found if number in (None, question.version)]
    chosen = max(wanted, key=lambda question: question.version, default=None)
    for question in found:
        if question is not chosen:
            _put_back(at, question)
    if chosen is None:
        raise CommandError(
            f"Version {number} does not wait for approval." if number else "No model waits for approval.",
            f"See what does: {command()} retrain describe{at.target.options}",
        )
    return chosen


def _put_back(at: Retraining, question: Question) -> None:
    at.target.client("sqs").change_message_visibility(
        QueueUrl=at.questions, ReceiptHandle=question.receipt, VisibilityTimeout=0
    )


def _answered(at: Retraining, question: Question, what: str, *, as_json: bool) -> int:
    at.target.client("sqs").delete_message(QueueUrl=at.questions, ReceiptHandle=question.receipt)
    if as_json:
        print_json({"version": question.version, "execution": question.execution, "answer": what})
    else:
        output().print(f"Version {question.version} is {what}. See how it goes: {command()} retrain describe")
    return SUCCESS


def _tell(at: Retraining, found: Mapping[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(found)
    elif found["outcome"] is None:
        output().print(f"The run has begun. See how it goes: {command()} retrain describe{at.target.options}")
    else:
        output().print(f"{found['outcome']}: {printable(str(found.get('reason', '')))}")
        if found["outcome"] == WAITING:
            output().print(f"Next: {command()} retrain approve{at.target.options}, or retrain reject")
        if found["outcome"] == "REPLACED" and found["cheapest_threshold"] != found["threshold"]:
            output().print(
                f"It was compared, and answers, at the threshold {found['threshold']}. On the base data "
                f"{found['cheapest_threshold']} would cost least: sam deploy --parameter-overrides "
                f"ConfidenceThreshold={found['cheapest_threshold']}"
            )
    return FAILURE if found["outcome"] == FAILED else SUCCESS
