"""One check against S3, DynamoDB, CloudWatch and EventBridge: what it reads, decides, writes, counts and announces."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from monitoring import check, telemetry
from monitoring.captures.source import Window
from monitoring.drift import baseline as baselines
from monitoring.errors import BaselineError, MonitoringError
from monitoring.measure import MEASURES, measure, see
from tests.unit.monitoring.capture_lines import line, png, record
from training.artefact import DEFAULT_MODEL
from vehiclevision.record import iso

BUCKET, TABLE, BUS = "captures", "results", "vehicles"
UNTIL = datetime(2026, 11, 20, 13, tzinfo=UTC)
WINDOW = Window(UNTIL - timedelta(hours=1), UNTIL)
SETTINGS = check.CheckSettings("vehiclevision", BUCKET, "capture", TABLE, BUS, 0.8, 1, 0.01)
FOLDER = "monitoring/vehiclevision/2026/11/20/13"


class Heard:
    """EventBridge as a publisher sees it; it can refuse an entry, as the service does."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.entries: list[dict[str, Any]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - the service's own spelling
        if self.refuses:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}


def answers(count: int, seed: int) -> list[tuple[float, float]]:
    sure = np.random.default_rng(seed).beta(9, 1, count)
    return [(round(float(p), 4), round(float(1 - p) / 2, 4)) for p in sure]


@pytest.fixture
def clients() -> Iterator[check.Clients]:
    """The services, with a bucket, a table and a baseline of 400 pictures."""
    with mock_aws():
        s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        s3.create_bucket(Bucket=BUCKET)
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("object", "outcome", "recorded_at")
            ],
            KeySchema=[{"AttributeName": "object", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_outcome",
                    "KeySchema": [
                        {"AttributeName": "outcome", "KeyType": "HASH"},
                        {"AttributeName": "recorded_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        s3.put_object(Bucket=BUCKET, Key=check.baseline_key(SETTINGS.endpoint), Body=baseline().as_json().encode())
        yield check.Clients(s3, dynamodb, boto3.client("cloudwatch"), Heard())


@cache
def baseline() -> baselines.Baseline:
    measured = measure([found for seed in range(400) if (found := see(png(10_000 + seed)))])
    given = np.array(answers(400, 0))
    columns = {**{name: measured[name] for name in MEASURES}, "confidence": given.max(axis=1)}
    both = {"bicycle": given[:, 0], "motorcycle": given[:, 1]}
    return baselines.compose(columns, both, threshold=0.8, model_version="abc", made_from="tests", made_at="2026-11-01")


def capture(clients: check.Clients, count: int, *, brightness: float = 0.5, seed: int = 1, least: float = 0.0) -> None:
    """Records in the window's hour; `least` takes that much off every confidence."""
    start = WINDOW.start + timedelta(minutes=5)
    lines = []
    for number, (bicycle, motorcycle) in enumerate(answers(count, seed)):
        picture = png(seed * 100_000 + number, brightness=brightness)
        given = (round(max(0.0, bicycle - least), 4), motorcycle)
        lines.append(line(record(picture, given, start + timedelta(seconds=number))))
    clients.s3.put_object(
        Bucket=BUCKET, Key="capture/vehiclevision/AllTraffic/2026/11/20/12/05-00.jsonl", Body=b"\n".join(lines)
    )


def classified(clients: check.Clients, count: int, at: datetime, outcome: str = "CLASSIFIED") -> None:
    for number in range(count):
        item = {"object": f"{outcome}{number}", "outcome": outcome, "recorded_at": iso(at)}
        clients.dynamodb.put_item(TableName=TABLE, Item={name: {"S": value} for name, value in item.items()})


def written(clients: check.Clients, name: str) -> Any:
    return json.loads(clients.s3.get_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}")["Body"].read())


def counted(clients: check.Clients) -> dict[str, float]:
    """The newest value of each metric."""
    found = {}
    for metric in clients.cloudwatch.list_metrics(Namespace=telemetry.NAMESPACE)["Metrics"]:
        assert metric["Dimensions"] == [{"Name": "EndpointName", "Value": "vehiclevision"}]
        points = clients.cloudwatch.get_metric_statistics(
            **metric,
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        found[metric["MetricName"]] = points[-1]["Maximum"]
    return found


def test_steady_traffic_is_counted_and_nothing_is_announced(clients: check.Clients) -> None:
    """Like the baseline: no drift, four files, every metric, no event."""
    capture(clients, 120)

    found = check.run(SETTINGS, clients, WINDOW)

    assert (found["drifted"], found["silent"], found["announced"], found["records"]) == (False, False, False, 120)
    assert written(clients, "constraint_violations.json") == {"violations": []}
    assert written(clients, "check.json")["words"] == found["words"]
    assert clients.events.entries == []
    metrics = counted(clients)
    # The tests' baseline knows of no labels, and so nothing can be estimated.
    others = ("NAMESPACE", "DIMENSION", "ESTIMATED_ACCURACY")
    assert set(metrics) == {value for name, value in vars(telemetry).items() if name.isupper() and name not in others}
    assert (metrics["CheckMade"], metrics["RecordsRead"], metrics["DriftFound"]) == (1, 120, 0)


def test_drift_is_announced_once_for_a_window(clients: check.Clients) -> None:
    """Darker pictures: an event that names what changed; once a window, and again for another."""
    capture(clients, 120, brightness=0.4)

    found = [check.run(SETTINGS, clients, WINDOW) for _ in range(2)]
    later = check.run(SETTINGS, clients, Window(WINDOW.start, UNTIL + timedelta(hours=1)))

    assert [each["announced"] for each in (*found, later)] == [True, False, True]
    entry = clients.events.entries[0]
    detail = json.loads(entry["Detail"])
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("vehiclevision", "DriftDetected", BUS)
    assert (detail["n"], detail["alarm_rate"], detail["model_version"]) == (120, 0.01, "abc")
    assert {"name", "words", "before", "now", "shift"} == set(detail["changed"][0])
    assert detail["report"] == f"s3://{BUCKET}/{FOLDER}/constraint_violations.json"
    assert counted(clients)["DriftFound"] == 1


def test_an_announcement_that_fails_is_made_by_the_next_try(clients: check.Clients) -> None:
    """The window is noted as announced only after the bus has taken the event."""
    capture(clients, 120, brightness=0.4)

    with pytest.raises(MonitoringError, match="could not be announced"):
        check.run(SETTINGS, replace(clients, events=Heard(refuses=True)), WINDOW)

    assert check.run(SETTINGS, clients, WINDOW)["announced"] is True


def test_a_quiet_hour_is_no_silence(clients: check.Clients) -> None:
    """Neither photos nor records: nothing is wrong, and the check says that it cannot tell."""
    found = check.run(SETTINGS, clients, WINDOW)

    assert (found["silent"], found["drifted"], found["coverage"]) == (False, False, None)
    assert found["words"].startswith("Cannot tell")
    assert "Coverage" not in counted(clients)


@pytest.mark.parametrize(
    ("photos", "reviews", "silent"), [(20, 0, True), (12, 8, True), (0, 20, True), (19, 0, False), (0, 0, False)]
)
def test_photos_without_records_are_silence(clients: check.Clients, photos: int, reviews: int, silent: bool) -> None:
    """Twenty photos that asked the endpoint, sure or not, and no record: the capture is silent."""
    at = WINDOW.start + timedelta(minutes=20)
    classified(clients, photos, at)
    classified(clients, reviews, at, "NEEDS_REVIEW")

    found = check.run(SETTINGS, clients, WINDOW)

    assert found["silent"] is silent
    assert counted(clients)["CaptureSilent"] == int(silent)


def test_capture_that_stopped_within_the_window_is_silence(clients: check.Clients) -> None:
    """What counts is the time after the last record, not whether there is any."""
    capture(clients, 120)
    classified(clients, 20, WINDOW.start + timedelta(minutes=40))

    assert check.run(SETTINGS, clients, WINDOW)["silent"] is True


def test_records_that_are_still_on_their_way_are_no_silence(clients: check.Clients) -> None:
    """Photos of the window's last ten minutes, refused photos and failed runs do not count."""
    classified(clients, 30, UNTIL - timedelta(minutes=5))
    classified(clients, 30, WINDOW.start + timedelta(minutes=20), "REJECTED")

    assert check.run(SETTINGS, clients, WINDOW)["silent"] is False


def test_where_few_are_captured_silence_takes_many(clients: check.Clients) -> None:
    """Of a hundred photos five are captured: 399 without one are no silence yet, 400 are, though a page ends before."""
    settings = replace(SETTINGS, capture_percent=5)
    classified(clients, 399, WINDOW.start + timedelta(minutes=40))
    quiet = check.run(settings, clients, WINDOW)
    classified(clients, 400, WINDOW.start + timedelta(minutes=41))

    assert (quiet["silent"], quiet["uncaptured"]) == (False, 399)
    assert check.run(settings, clients, WINDOW)["silent"] is True


def test_falling_coverage_is_counted_as_far_as_it_is_sure(clients: check.Clients) -> None:
    """Many answers below the threshold: the fall is the distance from the baseline to the interval's upper end."""
    capture(clients, 200, least=0.2)

    found = check.run(SETTINGS, clients, WINDOW)

    assert found["coverage"] < 0.5 < found["coverage_before"]
    assert 0 < found["coverage_fall"] < found["coverage_before"] - found["coverage"]


def test_few_answers_say_nothing_of_coverage(clients: check.Clients) -> None:
    """Below twenty answers there is no share to speak of."""
    capture(clients, 19, least=0.5)

    assert check.run(SETTINGS, clients, WINDOW)["coverage"] is None


def test_accuracy_is_counted_where_it_can_be_estimated(clients: check.Clients) -> None:
    """With the shipped model's baseline, which was calibrated; what does not hold is told, and not counted."""
    clients.s3.upload_file(str(DEFAULT_MODEL.with_name("baseline.json")), BUCKET, check.baseline_key(SETTINGS.endpoint))
    capture(clients, 120)

    found = check.run(SETTINGS, clients, WINDOW)["estimated_accuracy"]

    assert 0 <= found["low"] <= found["accuracy"] <= found["high"] <= 1
    assert ("EstimatedAccuracy" in counted(clients)) is found["holds"]
    assert bool(found["why"]) is not found["holds"]


def test_other_endpoints_and_other_hours_do_not_count(clients: check.Clients) -> None:
    """Only the endpoint's own records of the window are read."""
    capture(clients, 30)
    body = line(record(png(5), (0.9, 0.05), WINDOW.start + timedelta(minutes=7)))
    for key in (
        "capture/other/AllTraffic/2026/11/20/12/a.jsonl",
        "capture/vehiclevision/AllTraffic/2026/11/19/12/a.jsonl",
    ):
        clients.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    assert check.run(SETTINGS, clients, WINDOW)["records"] == 30


def test_a_missing_baseline_says_what_to_do(clients: check.Clients) -> None:
    """The error names the place and the command."""
    clients.s3.delete_object(Bucket=BUCKET, Key=check.baseline_key(SETTINGS.endpoint))

    with pytest.raises(BaselineError, match="There is no baseline at s3://captures") as caught:
        check.run(SETTINGS, clients, WINDOW)

    assert "monitor deploy" in caught.value.hint


def test_a_missing_bucket_is_no_missing_baseline(clients: check.Clients) -> None:
    """An error that is about something else is not renamed."""
    with pytest.raises(ClientError, match="NoSuchBucket"):
        check.run(replace(SETTINGS, bucket="nowhere"), clients, WINDOW)


def test_what_is_no_number_is_written_as_null(clients: check.Clients) -> None:
    """JSON has no NaN; any reader can read the files."""
    check.put_json(clients.s3, BUCKET, "a.json", {"a": [float("nan"), float("inf"), 1.0], "b": {"c": float("-inf")}})

    found = json.loads(clients.s3.get_object(Bucket=BUCKET, Key="a.json")["Body"].read(), parse_constant=Counter)

    assert found == {"a": [None, None, 1.0], "b": {"c": None}}


@pytest.mark.parametrize("event", [{}, None, [], {"detail": 1}])
def test_without_a_wish_it_is_the_last_whole_hours(event: Any) -> None:
    """Two checks in one hour look at the same window, so the second announces nothing new."""
    now = datetime(2026, 11, 20, 13, 17, 5, tzinfo=UTC)

    found = check.window_of(event, 24, now)

    assert (found.start, found.end) == (datetime(2026, 11, 19, 13, tzinfo=UTC), UNTIL)


def test_a_window_can_be_asked_for() -> None:
    """`to` in any time zone, `hours` back."""
    found = check.window_of({"to": "2026-11-20T14:30:00+01:00", "hours": 2}, 24, UNTIL)

    assert (found.start, found.end) == (UNTIL - timedelta(minutes=90), UNTIL + timedelta(minutes=30))


@pytest.mark.parametrize(
    "event",
    [
        {"to": "yesterday"}, {"to": 7}, {"to": "2026-11-20T13:00:00"}, {"to": []}, {"to": "9999-99-99"},
        {"to": "0001-01-01T00:00:00Z"}, {"to": "9999-12-31T23:59:59-12:00"},
        {"hours": 0}, {"hours": -1}, {"hours": "24"}, {"hours": True}, {"hours": 1.5}, {"hours": 10**9},
    ],
)  # fmt: skip
def test_a_window_that_is_none_is_refused(event: Any) -> None:
    """One sentence and what to do, whatever was asked for."""
    with pytest.raises(MonitoringError) as caught:
        check.window_of(event, 24, UNTIL)

    assert caught.value.hint


ENVIRONMENT = {
    "ENDPOINT_NAME": "vehiclevision",
    "CAPTURE_BUCKET": BUCKET,
    "CAPTURE_PREFIX": "/capture/",
    "RESULTS_TABLE": TABLE,
    "EVENT_BUS": BUS,
    "CONFIDENCE_THRESHOLD": "0.8",
    "WINDOW_HOURS": "1",
    "ALARM_RATE": "0.01",
    "CAPTURE_PERCENT": "100",
}


def test_settings_come_from_the_environment() -> None:
    """Every one of them, once."""
    assert check.CheckSettings.from_environment(ENVIRONMENT) == SETTINGS


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_setting_is_named(name: str) -> None:
    """The function stops at its start, and its log says which."""
    with pytest.raises(MonitoringError, match=name):
        check.CheckSettings.from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})


def test_a_setting_that_is_no_number_is_refused() -> None:
    """The same for a number that is none."""
    with pytest.raises(MonitoringError, match="no number"):
        check.CheckSettings.from_environment({**ENVIRONMENT, "ALARM_RATE": "one in a hundred"})
