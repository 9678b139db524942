"""One check: what the endpoint captured in a window against the baseline; then metrics, files and, on drift, an event.

It may be repeated: files of the same window are written over, and drift is announced once for each window, except that
a run which ended between the announcement and the note of it announces again.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scipy import stats

from monitoring import telemetry
from monitoring.captures.drawn import Drawn
from monitoring.captures.record import YEARS
from monitoring.captures.source import Window, open_source
from monitoring.drift import baseline as baselines
from monitoring.drift.baseline import Baseline
from monitoring.drift.decision import Decision
from monitoring.drift.decision import check as compare
from monitoring.errors import BaselineError, MonitoringError
from monitoring.estimate import Estimate, estimate
from monitoring.last_check import RESULT, room_of
from monitoring.model_monitor import files
from monitoring.summary import Summary, summarise
from vehiclevision.labels import LABELS
from vehiclevision.record import ANSWERED, iso, put_event
from vehiclevision.results import ResultsTable
from vehiclevision.storage import read_or_none

DRIFT_DETECTED: Final = "DriftDetected"
ANNOUNCED: Final = "announced.json"
# So many photos that should have been captured, and none was, are no accident.
SILENT_FROM: Final = 20
# Records of the last minutes may not be written yet.
WRITTEN_WITHIN: Final = timedelta(minutes=10)
MIN_ANSWERS: Final = 20
MAX_HOURS: Final = 31 * 24


@dataclass(frozen=True)
class CheckSettings:
    """What is checked, and against what."""

    endpoint: str
    bucket: str
    capture_prefix: str
    table: str
    bus: str
    threshold: float
    window_hours: int
    alarm_rate: float
    capture_percent: float = 100

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "CheckSettings":
        """Read them all; MonitoringError names what is missing."""
        try:
            return cls(
                endpoint=environment["ENDPOINT_NAME"],
                bucket=environment["CAPTURE_BUCKET"],
                capture_prefix=environment["CAPTURE_PREFIX"].strip("/"),
                table=environment["RESULTS_TABLE"],
                bus=environment["EVENT_BUS"],
                threshold=float(environment["CONFIDENCE_THRESHOLD"]),
                window_hours=int(environment["WINDOW_HOURS"]),
                alarm_rate=float(environment["ALARM_RATE"]),
                capture_percent=float(environment["CAPTURE_PERCENT"]),
            )
        except KeyError as error:
            raise MonitoringError(f"The setting {error.args[0]} is missing.", "Deploy monitoring again.") from error
        except ValueError as error:
            raise MonitoringError(f"A setting is no number: {error}.", "Deploy monitoring again.") from error

    @property
    def silent_from(self) -> int:
        """So many photos without a captured one are silence: of a hundred, `capture_percent` are captured."""
        return math.ceil(SILENT_FROM * 100 / self.capture_percent) if self.capture_percent else SILENT_FROM

    @property
    def captures(self) -> str:
        """Where the endpoint's captured requests lie."""
        return f"s3://{self.bucket}/{self.capture_prefix}/{self.endpoint}/"

    def folder(self, window: Window) -> str:
        """Where a check's files go: by the hour in which its window ends."""
        return f"{room_of(self.endpoint)}/{window.end:%Y/%m/%d/%H}"


@dataclass(frozen=True)
class Clients:
    """The services that a check speaks to."""

    s3: Any
    dynamodb: Any
    cloudwatch: Any
    events: Any


@dataclass(frozen=True)
class Coverage:
    """The share of answers that reach the threshold, within its 95 % interval; `fall` is how far it surely fell."""

    share: float
    low: float
    high: float
    before: float
    fall: float


@dataclass(frozen=True)
class Check:
    """What a check found."""

    endpoint: str
    window: Window
    summary: Summary
    decision: Decision
    coverage: Coverage | None
    # How many of the answers that pass are right, without labels.
    accuracy: Estimate | None
    # Photos that asked the endpoint and were not captured, and from how many on that is silence.
    uncaptured: int
    silent_from: int
    baseline_version: str
    # The address of the violations.
    report: str

    @property
    def silent(self) -> bool:
        """Whether the endpoint answers and nothing of it is captured."""
        return self.uncaptured >= self.silent_from

    def as_json(self) -> dict[str, Any]:
        """The result as it is written, returned and printed."""
        coverage = self.coverage
        return {
            "endpoint": self.endpoint,
            "window": {"from": iso(self.window.start), "to": iso(self.window.end)},
            "records_read": self.summary.records_read,
            "records_unreadable": self.summary.records_unreadable,
            "unreadable": dict(self.summary.unreadable),
            "records": self.summary.records,
            # Files of the window: read, and left out of an even sample where there are too many.
            "files": self.summary.files,
            "files_left_out": self.summary.files_left_out,
            "silent": self.silent,
            "uncaptured": self.uncaptured,
            "coverage": None if coverage is None else round(coverage.share, 4),
            "coverage_low": None if coverage is None else round(coverage.low, 4),
            "coverage_high": None if coverage is None else round(coverage.high, 4),
            "coverage_before": None if coverage is None else round(coverage.before, 4),
            "coverage_fall": None if coverage is None else round(coverage.fall, 4),
            "estimated_accuracy": None if self.accuracy is None else asdict(self.accuracy),
            "model_versions": dict(self.summary.model_versions),
            "baseline_version": self.baseline_version,
            "report": self.report,
            **self.decision.as_json(),
        }


def baseline_key(endpoint: str) -> str:
    """Where an endpoint's baseline lies in that bucket."""
    return f"{room_of(endpoint)}/baseline.json"


def baseline_of(s3: Any, bucket: str, endpoint: str) -> Baseline | None:
    """The baseline that checks compare with, None if there is none; BaselineError if it cannot be used."""
    content = read_or_none(s3, bucket, baseline_key(endpoint), baselines.MAX_BYTES + 1)
    return None if content is None else baselines.load(content)


def window_of(event: Any, hours: int, now: datetime) -> Window:
    """The window that an event asks for with `to` and `hours`; without them, whole hours up to this one."""
    fields = event if isinstance(event, Mapping) else {}
    end, length = fields.get("to"), fields.get("hours", hours)
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= MAX_HOURS:
        raise MonitoringError(f"hours is {length!r}.", f"Give a whole number from 1 to {MAX_HOURS}.")
    if end is None:
        until = now.replace(minute=0, second=0, microsecond=0)
    else:
        try:
            until = datetime.fromisoformat(end)
            if until.year not in YEARS:
                raise ValueError(end)
        except (TypeError, ValueError) as error:
            raise MonitoringError(f"to is {end!r}.", "Give a time such as 2026-11-21T15:00:00+00:00.") from error
        if until.tzinfo is None:
            raise MonitoringError(f"to is {end!r}, without a time zone.", "Add +00:00 for UTC.")
    until = until.astimezone(UTC)
    return Window(until - timedelta(hours=length), until)


def run(settings: CheckSettings, clients: Clients, window: Window) -> dict[str, Any]:
    """Make the check, write it down, count it, and announce drift; returns the result as plain JSON."""
    baseline = baseline_of(clients.s3, settings.bucket, settings.endpoint)
    if baseline is None:
        raise BaselineError(
            f"There is no baseline at s3://{settings.bucket}/{baseline_key(settings.endpoint)}.",
            "Put one there with: vehiclevision monitor deploy",
        )
    result = check(settings, clients, window, baseline)
    folder = settings.folder(window)
    write(settings, clients.s3, folder, result, baseline)
    count(settings, clients.cloudwatch, result)
    announced = result.decision.drifted and announce(settings, clients, result, folder)
    return {**result.as_json(), "announced": announced}


def check(settings: CheckSettings, clients: Clients, window: Window, baseline: Baseline) -> Check:
    """Read the window's captures, an even sample of them where they are many, and judge them."""
    captures = Drawn(open_source(settings.captures, clients.s3))
    summary = summarise(
        captures,
        threshold=settings.threshold,
        window=window,
        endpoint=settings.endpoint,
        # Lambda has no shared memory for more processes.
        workers=1,
    )
    decision = compare(baseline, summary.sample, alarm_rate=settings.alarm_rate)
    return Check(
        endpoint=settings.endpoint,
        window=window,
        summary=summary,
        decision=decision,
        coverage=coverage_of(summary, baseline),
        accuracy=estimate(baseline, summary.sample, decision).passed,
        uncaptured=uncaptured(settings, clients.dynamodb, window, captures.last(summary.last)),
        silent_from=settings.silent_from,
        baseline_version=baseline.model_version,
        report=f"s3://{settings.bucket}/{settings.folder(window)}/{files.VIOLATIONS}",
    )


def coverage_of(summary: Summary, baseline: Baseline) -> Coverage | None:
    """How many answers pass; None while there are too few to say."""
    answered, before = summary.total.answered, sum(baseline.mix.values())
    if answered < MIN_ANSWERS or not before:
        return None
    passed = sum(baseline.mix[label] for label in LABELS) / before
    low, high = summary.drawn_interval or stats.binomtest(summary.total.passed, answered).proportion_ci(method="wilson")
    return Coverage(summary.total.passed / answered, float(low), float(high), passed, max(0.0, passed - float(high)))


def uncaptured(settings: CheckSettings, dynamodb: Any, window: Window, last: datetime | None) -> int:
    """How many photos asked the endpoint after its last captured request; it is enough to count to silence."""
    since = max(window.start, last + timedelta(seconds=1)) if last else window.start
    until = window.end - WRITTEN_WITHIN
    if since >= until:
        return 0
    results = ResultsTable(dynamodb, settings.table)
    return sum(results.count(outcome, (iso(since), iso(until)), settings.silent_from) for outcome in ANSWERED)


def write(settings: CheckSettings, s3: Any, folder: str, result: Check, baseline: Baseline) -> None:
    """The three files in Model Monitor's schema, then the result, which so says that all is there."""
    columns = result.summary.sample.columns
    contents: dict[str, Mapping[str, Any]] = {
        files.STATISTICS: files.statistics(columns, settings.threshold, result.summary.records),
        files.CONSTRAINTS: files.constraints(baseline),
        files.VIOLATIONS: files.violations(result.decision),
        RESULT: result.as_json(),
    }
    for name, content in contents.items():
        put_json(s3, settings.bucket, f"{folder}/{name}", content)


def count(settings: CheckSettings, cloudwatch: Any, result: Check) -> None:
    """The check's metrics."""
    values: dict[str, float] = {
        telemetry.CHECK_MADE: 1,
        telemetry.RECORDS_READ: result.summary.records_read,
        telemetry.RECORDS_UNREADABLE: result.summary.records_unreadable,
        telemetry.DRIFT_FOUND: int(result.decision.drifted),
        telemetry.CAPTURE_SILENT: int(result.silent),
    }
    if result.coverage is not None:
        values |= {telemetry.COVERAGE: result.coverage.share, telemetry.COVERAGE_FALL: result.coverage.fall}
    if result.accuracy is not None and result.accuracy.holds:
        values[telemetry.ESTIMATED_ACCURACY] = result.accuracy.accuracy
    dimensions = [{"Name": telemetry.DIMENSION, "Value": settings.endpoint}]
    cloudwatch.put_metric_data(
        Namespace=telemetry.NAMESPACE,
        MetricData=[{"MetricName": name, "Dimensions": dimensions, "Value": value} for name, value in values.items()],
    )


def announce(settings: CheckSettings, clients: Clients, result: Check, folder: str) -> bool:
    """Raise DriftDetected unless this window's was raised before; whether it was raised now."""
    note = f"{folder}/{ANNOUNCED}"
    if read_or_none(clients.s3, settings.bucket, note) is not None:
        return False
    detail = drift_detail(result)
    if refused := put_event(clients.events, settings.bus, DRIFT_DETECTED, detail):
        raise MonitoringError(f"Drift could not be announced: {refused}.", "The next check tries again.")
    put_json(clients.s3, settings.bucket, note, detail)
    return True


def drift_detail(result: Check) -> dict[str, Any]:
    """What DriftDetected says."""
    versions = result.summary.model_versions.most_common(1)
    return {
        "endpoint": result.endpoint,
        "window": {"from": iso(result.window.start), "to": iso(result.window.end)},
        "n": result.decision.n,
        "alarm_rate": result.decision.alarm_rate,
        "changed": [
            {"name": one.name, "words": one.words, "before": one.before, "now": one.now, "shift": one.shift}
            for one in result.decision.changed
        ],
        "model_version": versions[0][0] if versions else result.baseline_version,
        "report": result.report,
    }


def put_json(s3: Any, bucket: str, key: str, content: Mapping[str, Any]) -> None:
    """Write JSON that any reader takes: a number that is none becomes null."""
    body = json.dumps(_finite(content), indent=1, allow_nan=False).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and value - value != 0 else value
