"""Runs of the real state machine, an effect at a time: each may be refused, lose its answer, or be the run's last.

The States Language as AWS documents it for JSONata: all of a state's Assign see the variables as they were before it,
retriers count by themselves, and a run that is stopped does nothing more.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

import jsonata  # type: ignore[import-untyped]
from ministack.services import stepfunctions

from tests.workflow import taken

Json = dict[str, Any]
Call = Callable[[str, Any], Any]
# By machine, the states and catches that this process's runs went through, for the count at the end of `make test`.
WENT_THROUGH: dict[str, set[str]] = defaultdict(set)


class Fault(StrEnum):
    """What befalls one attempt of a task."""

    NONE = "nothing"
    REFUSED = "it is refused"
    REFUSED_ALWAYS = "it is refused until the retries end"
    LOST = "it is done, and its answer is lost"
    LOST_ALWAYS = "each repetition is done, and its answer lost"
    STOPPED_BEFORE = "the run is stopped before it"
    STOPPED_AFTER = "the run is stopped after it"
    BEGUN_ANEW = "it is done, and the run begins anew under its own name"


class TaskError(Exception):
    """A task that failed, under the name that Catch and Retry match."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


@dataclass
class Run:
    """One execution of the state machine."""

    name: str
    machine: Json
    request: Json
    call: Call
    clock: Callable[[], str]
    workflow: str = "classify_vehicle"
    state: str = ""
    input: Any = None
    status: str = "RUNNING"
    error: str | None = None
    variables: Json = field(default_factory=dict)
    retries: dict[int, int] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = self.clock()
        self._begin()

    def _begin(self) -> None:
        self.input, self.variables = self.request, {}
        self._enter(self.machine["StartAt"])

    @property
    def task(self) -> str:
        """The service or function that the next step calls."""
        return str(self.machine["States"][self.state]["Resource"])

    def finish(self) -> None:
        """Go on without any fault until the run ends."""
        for _ in range(200):
            if self.status != "RUNNING":
                return
            self.step()
        raise AssertionError(f"the run goes in circles: {self.visited[-12:]}")

    def step(self, fault: Fault = Fault.NONE) -> None:
        """One attempt of the task that the run stands before, and all that follows without an effect."""
        state = self.machine["States"][self.state]
        if fault is Fault.STOPPED_BEFORE:
            self.status = "ABORTED"
            return
        try:
            result = self._attempt(state, fault)
        except TaskError as error:
            self._handle(state, error)
            if fault in (Fault.REFUSED_ALWAYS, Fault.LOST_ALWAYS) and self.retries:
                self.step(fault)
            return
        if fault is Fault.STOPPED_AFTER:
            self.status = "ABORTED"
        elif fault is Fault.BEGUN_ANEW:
            self._begin()
        else:
            self._leave(state, result=result)

    def _attempt(self, state: Json, fault: Fault) -> Any:
        refusal, lost = _FAILURES.get(state["Resource"], ("Lambda.ServiceException", "Lambda.Unknown"))
        arguments = self._evaluated(state.get("Arguments", self.input))
        if fault in (Fault.REFUSED, Fault.REFUSED_ALWAYS):
            raise TaskError(refusal)
        result = self.call(state["Resource"], arguments)
        if fault in (Fault.LOST, Fault.LOST_ALWAYS):
            raise TaskError(lost)
        return result

    def _handle(self, state: Json, error: TaskError) -> None:
        for index, retrier in enumerate(state.get("Retry", [])):
            if _matches(retrier, error):
                if self.retries.get(index, 0) < retrier["MaxAttempts"]:
                    self.retries[index] = self.retries.get(index, 0) + 1
                    return
                break
        for catcher in state.get("Catch", []):
            if _matches(catcher, error):
                WENT_THROUGH[self.workflow].add(taken.way(self.state, catcher))
                self._leave(catcher, error={"Error": error.error, "Cause": error.cause})
                return
        self.status, self.error = "FAILED", error.error

    def _leave(self, rule: Json, *, result: Any = None, error: Any = None) -> None:
        output = result if error is None else error
        if "Output" in rule:
            output = self._evaluated(rule["Output"], result, error)
        assigned = self._evaluated(rule.get("Assign", {}), result, error)
        self.variables.update(assigned)
        self.input = output
        if rule.get("End"):
            self.status = "SUCCEEDED"
        else:
            self._enter(rule["Next"])

    def _enter(self, name: str) -> None:
        self.state, self.retries = name, {}
        self.visited.append(name)
        WENT_THROUGH[self.workflow].add(name)
        state = self.machine["States"][name]
        match state["Type"]:
            case "Pass" | "Wait":
                self._leave(state, result=self.input)
            case "Choice":
                chosen = next((rule for rule in state["Choices"] if self._evaluated(rule["Condition"])), None)
                self._leave(chosen or {"Next": state["Default"]}, result=self.input)
            case "Succeed":
                self.status = "SUCCEEDED"
            case "Fail":
                self.status, self.error = "FAILED", str(self._evaluated(state["Error"]))

    def _evaluated(self, template: Any, result: Any = None, error: Any = None) -> Any:
        if isinstance(template, dict):
            return {name: self._evaluated(value, result, error) for name, value in template.items()}
        if isinstance(template, list):
            return [self._evaluated(value, result, error) for value in template]
        if not (isinstance(template, str) and template.startswith("{%")):
            return template
        states = {"input": self.input, "result": result, "errorOutput": error, "context": self._context()}
        bindings = {name: _null_kept(value) for name, value in self.variables.items()} | {"states": states}
        text = template[2:-2].strip()
        value = _parsed(text).evaluate(None, bindings)
        if value is None and not _parsed(f"$exists(({text}))").evaluate(None, bindings):
            raise TaskError("States.QueryEvaluationError", f"{text} gave nothing")
        return value

    def _context(self) -> Json:
        execution = {"Id": self.name, "Name": self.name, "Input": self.request, "StartTime": self.began}
        return {
            "Execution": execution,
            "State": {"Name": self.state, "EnteredTime": self.clock()},
            "StateMachine": {"Id": self.workflow},
            "Task": {"Token": f"token of {self.state}"},
        }


# How a service refuses for the moment, and what a task is called whose answer did not come.
_FAILURES: Mapping[str, tuple[str, str]] = {
    "putItem": ("DynamoDB.InternalServerErrorException", "States.Timeout"),
    "updateItem": ("DynamoDB.InternalServerErrorException", "States.Timeout"),
    "getItem": ("DynamoDB.InternalServerErrorException", "States.Timeout"),
    "putEvents": ("EventBridge.FailedEntry", "States.Timeout"),
    "sendMessage": ("SQS.SdkClientException", "States.Timeout"),
    "startExecution": ("StepFunctions.AWSStepFunctionsException", "States.Timeout"),
    "SageMakerCreateTrainingJob.sync": ("SageMaker.AmazonSageMakerException", "States.Timeout"),
}


def read_machine(text: str, *, express: bool = False) -> Json:
    """The state machine of one of its two types, with each ${Name} replaced by what it stands for here."""
    names = {
        "SerializeImageFunctionArn": "serialize",
        "ClassifyImageFunctionArn": "classify",
        "FilterInferencesFunctionArn": "filter",
        "DynamoDBPutItem": "putItem",
        "DynamoDBUpdateItem": "updateItem",
        "DynamoDBGetItem": "getItem",
        "EventBridgePutEvents": "putEvents",
        "SQSSendMessage": "sendMessage",
        "ResultsTableName": "results",
        "ResultsRetentionDays": "365",
        "StartExecution": "startExecution",
        "FaultInExpress": "States.TaskFailed" if express else "Express.Fault",
        "TimeoutInExpress": "States.Timeout" if express else "Express.Timeout",
    }
    for name, value in names.items():
        text = text.replace(f"${{{name}}}", value)
    machine: Json = json.loads(text)
    return machine


def _matches(handler: Json, error: TaskError) -> bool:
    return taken.matches(handler["ErrorEquals"], error.error)


def _null_kept(value: Any) -> Any:
    return jsonata.utils.Utils.NULL_VALUE if value is None else value


@cache
def _parsed(expression: str) -> Any:
    parsed = jsonata.Jsonata.jsonata(expression)
    stepfunctions._register_sfn_jsonata_functions(parsed)
    return parsed
