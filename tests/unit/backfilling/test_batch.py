"""A batch of photos that lie in a bucket: each version is given to the workflow once, however often it is asked for."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from backfilling.batch import Batch, Counted, DeniedError, Parts, run_name, totals, work_off
from tests.unit.reconciling.test_repair import BUCKET, Bench
from vehiclevision.record import Outcome

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:classify"
ALARM = "app-endpoint-failing"
# Everything that a test uploads was there long before.
SINCE = datetime.now(UTC) + timedelta(hours=1)


class Workflow:
    """Step Functions, for which a name is taken once and for all; what a run leaves is said beforehand."""

    exceptions = boto3.client("stepfunctions", region_name="us-east-1").exceptions

    def __init__(self, bench: Bench) -> None:
        self.bench, self.runs = bench, dict[str, dict[str, Any]]()
        self.leaves: dict[str, Outcome | str] = {}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002, N803
        assert stateMachineArn == MACHINE
        if name in self.runs:
            raise self.exceptions.ExecutionAlreadyExists(
                {"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution"
            )
        request = self.runs[name] = json.loads(input)
        outcome = self.leaves.get(request["s3_key"], Outcome.CLASSIFIED)
        if isinstance(outcome, Outcome):
            at = {"S": (SINCE + timedelta(minutes=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
            bucket, key = {"S": request["s3_bucket"]}, {"S": f"{request['s3_bucket']}/{request['s3_key']}"}
            own: dict[str, Any] = {"recorded_at": at, "s3_bucket": bucket, "object": key}
            self.bench.record(request["s3_key"], request["version_id"] or "none", outcome, **own)

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:  # noqa: N803
        request = self.runs[executionArn.rpartition(":")[2]]
        return {"status": str(self.leaves.get(request["s3_key"], "SUCCEEDED"))}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with mock_aws():
        yield Bench()


@pytest.fixture
def workflow(bench: Bench) -> Workflow:
    return Workflow(bench)


@pytest.fixture
def parts(bench: Bench, workflow: Workflow) -> Parts:
    cloudwatch = boto3.client("cloudwatch")
    return Parts(bench.s3, workflow, cloudwatch, bench.results, MACHINE, BUCKET, [ALARM], lambda _: None)  # type: ignore[arg-type]


def batch(*keys: str, bucket: str = BUCKET, since: datetime = SINCE) -> Batch:
    """As the Distributed Map hands it over."""
    items = [{"Key": key, "Size": 1, "LastModified": 1} for key in keys]
    return Batch.from_event({"Items": items, "BatchInput": {"bucket": bucket, "since": since.isoformat()}})


def work(parts: Parts, some: Batch) -> dict[str, Any]:
    """What is counted, without what is not."""
    return {name: count for name, count in work_off(parts, some, lambda: 0.0).to_json().items() if count}


def test_each_version_is_started_once_however_often_it_is_asked_for(
    bench: Bench, parts: Parts, workflow: Workflow
) -> None:
    """What has an outcome is left alone, and a second pass starts nothing."""
    for key in ("old/a", "old/b"):
        bench.upload(key)
    bench.record("old/known", bench.upload("old/known"), Outcome.NEEDS_REVIEW)

    assert work(parts, batch("old/a", "old/b", "old/known", "old/never")) == {
        "done": 2,
        "recorded_before": 1,
        "gone": 1,
    }
    assert work(parts, batch("old/a", "old/b", "old/known")) == {"done": 2, "recorded_before": 1}
    assert sorted(request["s3_key"] for request in workflow.runs.values()) == ["old/a", "old/b"]


def test_a_run_whose_start_was_not_heard_of_is_not_started_again(
    bench: Bench, parts: Parts, workflow: Workflow
) -> None:
    """The function died after the start: the next call finds the name taken, and waits for the same run."""
    version = bench.upload("old/a")
    workflow.leaves["old/a"] = "RUNNING"

    assert work(parts, batch("old/a")) == {"under_way": 1}
    assert work(parts, batch("old/a")) == {"under_way": 1}
    workflow.leaves["old/a"] = "ABORTED"
    assert work(parts, batch("old/a")) == {"ended_without_record": 1}
    assert list(workflow.runs) == [run_name(BUCKET, ("old/a", version), None)]


def test_what_failed_before_is_tried_once_more_and_not_for_ever(bench: Bench, parts: Parts, workflow: Workflow) -> None:
    """A photo that ended as FAILED gets a run of another name; when it fails again in this backfill, that counts."""
    bench.record("old/a", bench.upload("old/a"), Outcome.FAILED)
    workflow.leaves["old/a"] = Outcome.FAILED

    assert work(parts, batch("old/a")) == {"failed": 1}
    assert work(parts, batch("old/a")) == {"failed": 1}
    assert len(workflow.runs) == 1


def test_todays_uploads_are_left_to_themselves(bench: Bench, parts: Parts, workflow: Workflow) -> None:
    """What came into uploads/ a moment before has a run of its own; the same key elsewhere has none."""
    bench.upload("uploads/new")
    bench.upload("old/new")

    assert work(parts, batch("uploads/new", "old/new", since=datetime.now(UTC))) == {"left_to_upload": 1, "done": 1}
    assert [request["s3_key"] for request in workflow.runs.values()] == ["old/new"]


def test_nothing_is_started_while_an_alarm_rings(bench: Bench, parts: Parts, workflow: Workflow) -> None:
    """The batch waits, and goes on when the alarm is over."""
    bench.upload("old/a")
    alarm = {"Namespace": "n", "MetricName": "m", "Statistic": "Sum", "ComparisonOperator": "GreaterThanThreshold"}
    numbers = {"Period": 60, "EvaluationPeriods": 1, "Threshold": 0}
    parts.cloudwatch.put_metric_alarm(AlarmName=ALARM, **alarm, **numbers)
    parts.cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="the endpoint is away")

    assert work(parts, batch("old/a")) == {"under_way": 1, "paused": True}
    assert not workflow.runs
    parts.cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="it is back")
    assert work(parts, batch("old/a")) == {"done": 1}


def test_another_bucket_without_versions(bench: Bench, parts: Parts, workflow: Workflow) -> None:
    """Its photos are read there, under the version that S3 calls null; a folder that the console made is no photo."""
    bench.s3.create_bucket(Bucket="other")
    bench.s3.put_object(Bucket="other", Key="a b+ü.jpg", Body=b"x")
    event = {"Items": [{"Key": "f/", "Size": 0}], "BatchInput": {"bucket": "other", "since": SINCE.isoformat()}}

    assert Batch.from_event(event).keys == []
    assert work(parts, batch("a b+ü.jpg", bucket="other")) == {"done": 1}
    assert list(workflow.runs.values()) == [{"s3_bucket": "other", "s3_key": "a b+ü.jpg", "version_id": "null"}]


def denied(parts: Parts, part: str, status: int = 403) -> None:
    """From now on S3 says nothing of what has this in its address."""

    def refuse(params: Any, **_: object) -> None:
        if part in params["url_path"]:
            raise ClientError({"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Head")  # type: ignore[typeddict-item]

    parts.s3.meta.events.register("before-call.s3.HeadObject", refuse)


def test_a_bucket_that_may_not_be_read_fails_the_batch(bench: Bench, parts: Parts, workflow: Workflow) -> None:
    """Nothing is taken for gone that was only denied, and no run is started in vain."""
    bench.upload("old/a")
    denied(parts, "")

    with pytest.raises(DeniedError):
        work_off(parts, batch("old/a", "old/b"), lambda: 0.0)
    assert workflow.runs == {}


@pytest.mark.parametrize("status", [400, 403])
def test_one_photo_that_may_not_be_read_keeps_no_other_waiting(
    bench: Bench, parts: Parts, workflow: Workflow, status: int
) -> None:
    """Somebody encrypted it with a key of their own: its run ends as FAILED, and is begun once."""
    for key in ("old/a", "old/locked"):
        bench.upload(key)
    denied(parts, "locked", status)
    workflow.leaves["old/locked"] = Outcome.FAILED

    for _ in range(2):
        assert work(parts, batch("old/a", "old/locked")) == {"done": 1, "failed": 1}
    assert {run["s3_key"]: run["version_id"] for run in workflow.runs.values()}["old/locked"] == ""
    assert len(workflow.runs) == 2


def test_batches_add_up() -> None:
    """State by state, whatever else a later release may write."""
    sums = totals([Counted(done=2, gone=1).to_json(), {**Counted(done=3).to_json(), "else": 1}])

    assert (sums["done"], sums["gone"], sums["failed"]) == (5, 1, 0)
