"""The story of one image: its workflow run and the log lines of the three functions, in the order of time."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from console.deployed import Deployed
from console.errors import UnknownPhotoError
from console.run import EXPRESS, failure, visits
from reconciling.letters import photo_of
from vehiclevision.record import Outcome, Record, iso
from vehiclevision.results import ADDRESS
from vehiclevision.storage import code_of, listed

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

WORKFLOW: Final = "workflow"
# The states whose functions write logs, and the outputs that name their log groups.
LOG_GROUPS: Final = {
    "Serialize image": "SerializeImageLogGroup",
    "Classify image": "ClassifyImageLogGroup",
    "Filter inferences": "FilterInferencesLogGroup",
}
# Around a run: clocks differ a little, and logs are stamped by the function.
MARGIN: Final = timedelta(minutes=5)
LOOK_BACK: Final = timedelta(days=1)
MOST_RUNNING: Final = 100
MOST_REQUEST_IDS: Final = 20
MOST_CAUSE_CHARACTERS: Final = 200

# What Powertools puts on every line and the story says otherwise, or not at all.
_KNOWN_FIELDS: Final = frozenset(
    {
        *("level", "location", "message", "timestamp", "service", "cold_start", "sampling_rate", "xray_trace_id"),
        *("function_name", "function_memory_size", "function_arn", "function_request_id"),
        *("correlation_id", "execution_id", "s3_bucket", "s3_key", "version_id"),
    }
)
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_RUN: Final = {
    "ExecutionStarted": "the run started",
    "ExecutionSucceeded": "the run succeeded",
    "ExecutionFailed": "the run failed",
    "ExecutionTimedOut": "the run timed out",
    "ExecutionAborted": "the run was stopped",
}


@dataclass(frozen=True)
class Line:
    """One thing that happened."""

    at: datetime
    source: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    is_trouble: bool = False

    def to_json(self) -> dict[str, Any]:
        """The line that --json prints."""
        return {"at": iso(self.at), "source": self.source, "text": self.text, **self.fields}


@dataclass(frozen=True)
class Run:
    """The run whose story is told, as far as it is known."""

    s3_key: str
    execution: str
    correlation_id: str
    since: datetime
    record: Record | None = None


@dataclass(frozen=True)
class _LogEvent:
    """A log line where it lies."""

    source: str
    at: datetime
    text: str
    fields: Mapping[str, Any]


def find_run(target: Deployed, name: str) -> Run:
    """The newest run of the image with that key or file name, recorded or not yet."""
    bucket = target.output("BucketName")
    recorded = _recorded(target, bucket, name)
    under_way = _under_way(target, name)
    if under_way and (recorded is None or under_way.since > recorded.since):
        return under_way
    run = recorded or _logged(target, name)
    if run is None:
        raise UnknownPhotoError(
            f"Nothing is known of an image {name!r}.",
            f"List what there is with: vehiclevision results{target.options}",
        )
    return run


def tell(target: Deployed, run: Run) -> list[Line]:
    """All that is known of a run, in the order of time."""
    history = _history(target.client("stepfunctions"), run.execution)
    return sorted((*history, *_log_lines(target, run)), key=attrgetter("at"))


def logged(target: Deployed, run: Run) -> list[Line]:
    """What the functions wrote of a run, and what Lambda says of them, in the order of time."""
    return sorted(_log_lines(target, run), key=attrgetter("at"))


# ---- which run ---------------------------------------------------------------------------------------------------


def _recorded(target: Deployed, bucket: str, name: str) -> Run | None:
    for record in target.results.search(bucket, name, list(Outcome), 1):
        began = record.started_at or record.recorded_at
        since = datetime.fromisoformat(began) if began else datetime.now(UTC) - LOOK_BACK
        return Run(record.s3_key, record.execution or "", record.correlation_id or "", since, record)
    return None


def _under_way(target: Deployed, name: str) -> Run | None:
    """A run for that image that has not ended, among the newest."""
    step_functions: SFNClient = target.client("stepfunctions")
    listing = step_functions.list_executions(
        stateMachineArn=target.output("StateMachineArn"), statusFilter="RUNNING", maxResults=MOST_RUNNING
    )
    for execution in listing["executions"]:
        described = step_functions.describe_execution(executionArn=execution["executionArn"])
        photo = photo_of(described.get("input", ""))
        if photo and _is_named(photo.bucket, photo.key, name):
            correlation_id = photo.correlation_id or execution["name"]
            return Run(photo.key, execution["executionArn"], correlation_id, execution["startDate"])
    return None


def _is_named(bucket: object, key: str, name: str) -> bool:
    """Whether that is the photo's address, its key, or the end of one."""
    address = f"{ADDRESS}{bucket}/{key}"
    return address == name or address.endswith(f"/{name}")


def _logged(target: Deployed, name: str) -> Run | None:
    """The last run of that image that the functions wrote of, when it left no record."""
    # CloudWatch has no way to quote every character, so it is asked for a plain part and the rest is checked here.
    word = max(_PLAIN_WORD.findall(name), key=len, default="")
    last = None
    for source in LOG_GROUPS:
        for event in _events(target, source, word, datetime.now(UTC) - LOOK_BACK, None):
            key = str(event.fields.get("s3_key") or "")
            is_it = _is_named(event.fields.get("s3_bucket"), key, name)
            if is_it and (last is None or event.at > last.at):
                last = event
    if last is None:
        return None
    own = last.fields
    return Run(str(own["s3_key"]), str(own.get("execution_id", "")), str(own.get("correlation_id", "")), last.at)


# ---- the functions' log lines ------------------------------------------------------------------------------------


def _log_lines(target: Deployed, run: Run) -> Iterator[Line]:
    """The lines that carry the run's ids, and what Lambda itself says of the same invocations."""
    if not run.correlation_id:
        return
    until = None
    if run.record and run.record.recorded_at:
        until = datetime.fromisoformat(run.record.recorded_at) + MARGIN
    since = run.since - MARGIN
    for source in LOG_GROUPS:
        own = [
            event
            for event in _events(target, source, run.correlation_id, since, until)
            if event.fields.get("correlation_id") == run.correlation_id
            and (not run.execution or event.fields.get("execution_id") == run.execution)
        ]
        yield from map(_log_line, own)
        request_ids = dict.fromkeys(str(event.fields.get("function_request_id", "")) for event in own)
        for request_id in islice(filter(None, request_ids), MOST_REQUEST_IDS):
            for event in _events(target, source, request_id, since, until):
                if not event.fields and event.text.startswith(("REPORT", "[ERROR]", "Task timed out")):
                    yield _log_line(event)


def _events(target: Deployed, source: str, term: str, since: datetime, until: datetime | None) -> Iterator[_LogEvent]:
    """What the function of a state wrote that holds a term."""
    arguments: dict[str, Any] = {"startTime": int(since.timestamp() * 1000)}
    if term:
        arguments["filterPattern"] = f'"{term}"'
    if until is not None:
        arguments["endTime"] = int(until.timestamp() * 1000)
    group = target.output(LOG_GROUPS[source])
    try:
        for event in listed(target.client("logs"), "filter_log_events", "events", logGroupName=group, **arguments):
            text = event.get("message", "").strip()
            yield _LogEvent(source, datetime.fromtimestamp(event["timestamp"] / 1000, UTC), text, _fields(text))
    except ClientError as error:
        # A log group comes with its function's first line.
        if code_of(error) != "ResourceNotFoundException":
            raise


def _fields(text: str) -> Mapping[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _log_line(event: _LogEvent) -> Line:
    fields = event.fields
    if not fields:
        words = " ".join(event.text.split())
        return Line(event.at, event.source, words, is_trouble=not words.startswith("REPORT"))
    at = _stamped(fields.get("timestamp")) or event.at
    told = {name: value for name, value in fields.items() if name not in _KNOWN_FIELDS}
    trouble = fields.get("level") in ("WARNING", "ERROR", "CRITICAL")
    return Line(at, event.source, str(fields.get("message", "")), told, trouble)


def _stamped(timestamp: Any) -> datetime | None:
    """Powertools' own time of a line, which is finer than CloudWatch's; None if it has no zone or no sense."""
    try:
        at = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return None
    return at if at.tzinfo else None


# ---- the workflow's history --------------------------------------------------------------------------------------


def _history(step_functions: "SFNClient", arn: str) -> Iterator[Line]:
    """The run's states as they were entered and left, its failures and its end; of an Express run there are none."""
    if arn and EXPRESS not in arn:
        try:
            yield from _told(listed(step_functions, "get_execution_history", "events", executionArn=arn))
        except ClientError as error:
            # Step Functions forgets a run 90 days after its end; the logs may still tell of it.
            if code_of(error) != "ExecutionDoesNotExist":
                raise


def _told(events: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    events = list(events)
    own = [_of_run(event) for event in events if event["type"] in _RUN]
    yield from own[:1]
    for visit in visits(events):
        state = {"state": visit.state}
        yield _workflow_line(visit.entered, f"{visit.state}: entered", state)
        for number, attempt in enumerate(visit.attempts, 1):
            if number > 1:
                yield _workflow_line(attempt.at, f"{visit.state}: try {number}", state)
            if attempt.ended and attempt.error:
                yield _workflow_line(attempt.ended, visit.state, state, attempt.error, attempt.cause)
        if visit.left and visit.kind == "Task":
            yield _workflow_line(visit.left, f"{visit.state}: left after {visit.seconds:.2f} s", state)
    yield from own[1:]


def _of_run(event: Mapping[str, Any]) -> Line:
    kind = event["type"]
    is_well = kind in ("ExecutionStarted", "ExecutionSucceeded")
    return _workflow_line(event["timestamp"], _RUN[kind], {}, *(() if is_well else failure(event)))


def _workflow_line(at: datetime, text: str, fields: Mapping[str, Any] = {}, error: str = "", cause: str = "") -> Line:
    if not error:
        return Line(at, WORKFLOW, text, fields)
    shown = f" ({cause[:MOST_CAUSE_CHARACTERS]})" if cause else ""
    return Line(at, WORKFLOW, f"{text}: {error}{shown}", {**fields, "error": error}, is_trouble=True)
