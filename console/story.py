"""The story of one image: its workflow run and the log lines of the three functions, in the order of time."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from console.deployed import Deployed
from console.errors import UnknownPhotoError
from console.run import EXPRESS
from vehiclevision.record import Outcome, Record, iso
from vehiclevision.results import ADDRESS
from vehiclevision.storage import listed

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

WORKFLOW: Final = "workflow"
LOG_GROUPS: Final = {
    "SerializeImageLogGroup": "Serialize image",
    "ClassifyImageLogGroup": "Classify image",
    "FilterInferencesLogGroup": "Filter inferences",
}
# Around a run: clocks differ a little, and logs are stamped by the function.
MARGIN: Final = timedelta(minutes=5)
LOOK_BACK: Final = timedelta(days=1)
MOST_RUNNING: Final = 100
MOST_REQUEST_IDS: Final = 20

# What Powertools puts on every line and the story says otherwise, or not at all.
_KNOWN_FIELDS: Final = frozenset(
    {
        *("level", "location", "message", "timestamp", "service", "cold_start", "sampling_rate", "xray_trace_id"),
        *("function_name", "function_memory_size", "function_arn", "function_request_id"),
        *("correlation_id", "execution_id", "s3_bucket", "s3_key", "version_id"),
    }
)
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_ENDED: Final = {
    "ExecutionSucceeded": "the run succeeded",
    "ExecutionFailed": "the run failed",
    "ExecutionTimedOut": "the run timed out",
    "ExecutionAborted": "the run was stopped",
}
_TRIED_AGAIN: Final = frozenset({"TaskScheduled", "LambdaFunctionScheduled"})


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
class _Log:
    """One function's log group."""

    client: "CloudWatchLogsClient"
    source: str
    group: str


@dataclass(frozen=True)
class _LogEvent:
    """A log line where it lies."""

    source: str
    at_ms: int
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
    history = list(_history(target.client("stepfunctions"), run.execution)) if run.execution else []
    lines = [*history, *_log_lines(_logs(target), run)]
    return sorted(lines, key=lambda line: line.at)


# ---- which run ---------------------------------------------------------------------------------------------------


def _recorded(target: Deployed, bucket: str, name: str) -> Run | None:
    for record in target.results.search(bucket, name, list(Outcome), 1):
        since = datetime.fromisoformat(record.started_at or record.recorded_at or _ago(LOOK_BACK).isoformat())
        return Run(record.s3_key, record.execution or "", record.correlation_id or "", since, record)
    return None


def _under_way(target: Deployed, name: str) -> Run | None:
    """A run for that image that has not ended, among the newest."""
    step_functions: SFNClient = target.client("stepfunctions")
    listing = step_functions.list_executions(
        stateMachineArn=target.output("StateMachineArn"), statusFilter="RUNNING", maxResults=MOST_RUNNING
    )
    for execution in listing["executions"]:
        request = json.loads(
            step_functions.describe_execution(executionArn=execution["executionArn"]).get("input", "{}")
        )
        detail = request.get("detail", {})
        key = str(detail.get("object", {}).get("key") or request.get("s3_key") or "")
        if _is_named(detail.get("bucket", {}).get("name") or request.get("s3_bucket"), key, name):
            correlation_id = str(request.get("id") or execution["name"])
            return Run(key, execution["executionArn"], correlation_id, execution["startDate"])
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
    for log in _logs(target):
        for event in _events(log, word, _ago(LOOK_BACK), None):
            key = str(event.fields.get("s3_key") or "")
            is_it = _is_named(event.fields.get("s3_bucket"), key, name)
            if is_it and (last is None or event.at_ms > last.at_ms):
                last = event
    if last is None:
        return None
    own = last.fields
    return Run(
        str(own["s3_key"]), str(own.get("execution_id", "")), str(own.get("correlation_id", "")), _moment(last.at_ms)
    )


# ---- the functions' log lines ------------------------------------------------------------------------------------


def _logs(target: Deployed) -> list[_Log]:
    client = target.client("logs")
    return [_Log(client, source, target.output(name)) for name, source in LOG_GROUPS.items()]


def _log_lines(logs: Iterable[_Log], run: Run) -> Iterator[Line]:
    """The lines that carry the run's ids, and what Lambda itself says of the same invocations."""
    if not run.correlation_id:
        return
    until = None
    if run.record and run.record.recorded_at:
        until = datetime.fromisoformat(run.record.recorded_at) + MARGIN
    since = run.since - MARGIN
    for log in logs:
        own = [
            event
            for event in _events(log, run.correlation_id, since, until)
            if event.fields.get("correlation_id") == run.correlation_id
            and (not run.execution or event.fields.get("execution_id") == run.execution)
        ]
        yield from map(_log_line, own)
        request_ids = dict.fromkeys(str(event.fields.get("function_request_id", "")) for event in own)
        for request_id in islice(filter(None, request_ids), MOST_REQUEST_IDS):
            for event in _events(log, request_id, since, until):
                if not event.fields and event.text.startswith(("REPORT", "[ERROR]", "Task timed out")):
                    yield _log_line(event)


def _events(log: _Log, term: str, since: datetime, until: datetime | None) -> Iterator[_LogEvent]:
    """The events of a log group that hold a term."""
    arguments: dict[str, Any] = {"logGroupName": log.group, "startTime": int(since.timestamp() * 1000)}
    if term:
        arguments["filterPattern"] = f'"{term}"'
    if until is not None:
        arguments["endTime"] = int(until.timestamp() * 1000)
    try:
        for event in listed(log.client, "filter_log_events", "events", **arguments):
            text = event.get("message", "").strip()
            yield _LogEvent(log.source, event["timestamp"], text, _fields(text))
    except ClientError as error:
        # A log group comes with its function's first line.
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
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
        return Line(_moment(event.at_ms), event.source, words, is_trouble=not words.startswith("REPORT"))
    at = _stamped(fields.get("timestamp")) or _moment(event.at_ms)
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
    if EXPRESS in arn:
        return iter(())
    try:
        events = list(listed(step_functions, "get_execution_history", "events", executionArn=arn))
    except ClientError as error:
        # Step Functions forgets a run 90 days after its end; the logs may still tell of it.
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        events = []
    return _told(events)


def _told(events: Iterable["HistoryEventTypeDef"]) -> Iterator[Line]:
    state, entered, failures = "", datetime.now(UTC), 0
    for event in events:
        kind, at = event["type"], event["timestamp"]
        if kind == "ExecutionStarted":
            yield Line(at, WORKFLOW, "the run started")
        elif kind.endswith("StateEntered"):
            state, entered, failures = str(event.get("stateEnteredEventDetails", {}).get("name", "")), at, 0
            yield Line(at, WORKFLOW, f"{state}: entered", {"state": state})
        elif kind == "TaskStateExited":
            seconds = (at - entered).total_seconds()
            yield Line(at, WORKFLOW, f"{state}: left after {seconds:.2f} s", {"state": state})
        elif kind in _TRIED_AGAIN and failures:
            yield Line(at, WORKFLOW, f"{state}: try {failures + 1}", {"state": state})
        elif kind in _ENDED:
            yield _end(event, _ENDED[kind])
        elif kind.endswith(("Failed", "TimedOut")):
            failures += 1
            error, cause = _error(event)
            yield Line(at, WORKFLOW, f"{state}: {error}{cause}", {"state": state, "error": error}, is_trouble=True)


def _end(event: "HistoryEventTypeDef", text: str) -> Line:
    if event["type"] == "ExecutionSucceeded":
        return Line(event["timestamp"], WORKFLOW, text)
    error, cause = _error(event)
    return Line(event["timestamp"], WORKFLOW, f"{text}: {error}{cause}", {"error": error}, is_trouble=True)


def _error(event: Mapping[str, Any]) -> tuple[str, str]:
    """An event's error name, and its cause as the end of a sentence; a Lambda cause holds the message in JSON."""
    details: Mapping[str, Any] = next(
        (value for name, value in event.items() if name.endswith("EventDetails") and isinstance(value, dict)), {}
    )
    cause = str(details.get("cause") or "")
    cause = str(_fields(cause).get("errorMessage") or cause)
    shown = " ".join(cause.split())[:200]
    return str(details.get("error") or event["type"]), f" ({shown})" if shown else ""


def _ago(span: timedelta) -> datetime:
    return datetime.now(UTC) - span


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
