"""One run of the workflow: which states it passed, when, with what, how often each was tried and what went wrong."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from console.errors import ConsoleError
from vehiclevision.storage import code_of, listed

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

RUNNING: Final = "RUNNING"
# What the ARN of an Express run has in the place of "execution".
EXPRESS: Final = ":express:"
_GONE: Final = frozenset({"ExecutionDoesNotExist", "InvalidArn"})


@dataclass
class Attempt:
    """One try of a state, and the error that ended it."""

    at: datetime
    ended: datetime | None = None
    error: str = ""
    cause: str = ""


@dataclass
class Visit:
    """One pass through a state."""

    state: str
    kind: str
    entered: datetime
    left: datetime | None = None
    resource: str = ""
    # What the service was asked with, where the history has it.
    parameters: str = ""
    input: str = ""
    output: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    # The error that the state ended with, whether it was caught or ended the run.
    error: str = ""
    cause: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on."""
        return (self.left - self.entered).total_seconds() if self.left else None

    @property
    def mood(self) -> str:
        """How it went, in a word that is also its colour."""
        if self.kind == "Fail":
            return "failed"
        if self.error:
            return "caught" if self.left else "failed"
        if self.left is None:
            return "running"
        return "retried" if len(self.attempts) > 1 else "passed"


@dataclass(frozen=True)
class Run:
    """A run as far as its history tells."""

    execution: str
    status: str
    started: datetime
    ended: datetime | None
    visits: Sequence[Visit]
    # The states of the definition that it runs on.
    states: Mapping[str, Mapping[str, Any]]
    error: str = ""
    cause: str = ""

    @property
    def is_running(self) -> bool:
        """Whether there is more to come."""
        return self.status == RUNNING

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on."""
        return (self.ended - self.started).total_seconds() if self.ended else None

    def last_visit(self, state: str) -> Visit | None:
        """The last pass through a state."""
        return next((visit for visit in reversed(self.visits) if visit.state == state), None)

    def taken(self) -> set[tuple[str, str]]:
        """Each step from one state to the next that it made."""
        return {(one.state, other.state) for one, other in zip(self.visits, self.visits[1:], strict=False)}


def read(step_functions: "SFNClient", execution: str, machine: str) -> Run:
    """A run of this state machine; ConsoleError for any other, and once Step Functions has forgotten it."""
    if EXPRESS in execution:
        raise ConsoleError(
            "Of an Express run Step Functions keeps no history.",
            "The functions' lines are there: vehiclevision logs KEY",
        )
    if not execution.startswith(machine.replace(":stateMachine:", ":execution:") + ":"):
        raise ConsoleError("That is no run of this application's workflow.", "Open it from its photo.")
    try:
        described = step_functions.describe_execution(executionArn=execution)
        events = list(listed(step_functions, "get_execution_history", "events", executionArn=execution))
        definition = step_functions.describe_state_machine_for_execution(executionArn=execution)["definition"]
    except ClientError as error:
        if code_of(error) not in _GONE:
            raise
        raise ConsoleError(
            "Step Functions no longer knows this run.", "It forgets a run 90 days after its end; the record stays."
        ) from error
    return Run(
        execution=execution,
        status=described["status"],
        started=described["startDate"],
        ended=described.get("stopDate"),
        visits=visits(events),
        states=json.loads(definition)["States"],
        error=str(described.get("error") or ""),
        cause=said(str(described.get("cause") or "")),
    )


def visits(events: Iterable[Mapping[str, Any]]) -> list[Visit]:
    """The states that a history passed, in order."""
    passed: list[Visit] = []
    for event in events:
        kind, at = str(event["type"]), event["timestamp"]
        if kind.endswith("StateEntered"):
            details = event["stateEnteredEventDetails"]
            passed.append(Visit(details["name"], kind.removesuffix("StateEntered"), at, input=details.get("input", "")))
        elif passed:
            _note(passed[-1], kind, at, event)
    return passed


def _note(visit: Visit, kind: str, at: datetime, event: Mapping[str, Any]) -> None:
    """What one more event says of the state that the run is in."""
    details = _details(event)
    if kind.endswith("StateExited"):
        visit.left, visit.output = at, str(details.get("output", ""))
    elif kind.endswith("Scheduled"):
        visit.resource = str(details.get("resource", "")) or visit.resource
        visit.parameters = str(details.get("parameters") or "")
        visit.attempts.append(Attempt(at))
        visit.error = visit.cause = ""
    elif kind.endswith("Succeeded") and not kind.startswith("Execution"):
        visit.error = visit.cause = ""
        if visit.attempts:
            visit.attempts[-1].ended = at
    elif kind.startswith("Execution"):
        if not visit.error:
            visit.error, visit.cause = str(details.get("error") or ""), said(str(details.get("cause") or ""))
    elif kind.endswith(("Failed", "TimedOut")):
        visit.error, visit.cause = failure(event)
        if not visit.attempts:
            visit.attempts.append(Attempt(visit.entered))
        visit.attempts[-1].ended, visit.attempts[-1].error, visit.attempts[-1].cause = at, visit.error, visit.cause


def failure(event: Mapping[str, Any]) -> tuple[str, str]:
    """The error of an event, by the event's own name where it has none, and its cause in words."""
    details = _details(event)
    return str(details.get("error") or event["type"]), said(str(details.get("cause") or ""))


def said(cause: str) -> str:
    """What a cause says, in words: a Lambda cause holds the message in JSON."""
    try:
        fields = json.loads(cause)
    except (ValueError, RecursionError):
        fields = None
    text = str(fields.get("errorMessage") or cause) if isinstance(fields, dict) else cause
    return " ".join(text.split())[:500]


def pretty(text: str, most: int = 20_000) -> str:
    """JSON with its lines indented, as people read it; long base64 is cut."""
    try:
        content = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        content = text
    lines = [line if len(line) <= 400 else f"{line[:160]}… ({len(line):,} characters)" for line in content.splitlines()]
    return "\n".join(lines)[:most]


def _details(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((value for name, value in event.items() if name.endswith("EventDetails") and value), {})
