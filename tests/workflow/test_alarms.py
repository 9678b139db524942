"""Every alarm of every template is silent over a clean run and rung by its real fault, on a local AWS of its own.

What an alarm counts in hours is counted in tens of seconds; what it counts is never made up. While it rings its runbook
is followed to the letter (tests/workflow/runbooks.py), and where that is what mends the fault, it does.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local import stack
from local.place import CHECKOUT
from local.sagemaker import servers as sagemaker
from reconciling.gaps import UNDER_WAY
from tests.workflow import may
from tests.workflow.driver import Application, started
from tests.workflow.engine_bench import eventually
from tests.workflow.runbooks import follow, said
from tests.workflow.test_classify_vehicle import JUNK, UNSURE, nonsense_served, sure
from tests.workflow.test_monitoring import (
    DAY,
    NOON,
    RECORDS,
    Run,
    capture,
    check,
    command_on,
    deployed_by,
    invoked,
    pictures,
)
from vehiclevision.record import iso

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]

STACK = "vehiclevision"
RING_SECONDS = 200.0
# What a described alarm says that PutMetricAlarm does not take.
DESCRIBED = ("AlarmArn", "StateValue", "StateReason", "StateUpdatedTimestamp", "AlarmConfigurationUpdatedTimestamp")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Application]:
    """The application, which nobody else uses."""
    directory = tmp_path_factory.mktemp("alarms")
    aws = started(directory, root)
    try:
        application = Application(aws, dict(aws.outputs()))
        yield application
        may.note(application.client)
    finally:
        stack.stop(directory)


def described(application: Application) -> dict[str, dict[str, Any]]:
    """The application's alarms by their names without the stack's."""
    pages = application.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{STACK}-")
    return {each["AlarmName"].removeprefix(f"{STACK}-"): each for page in pages for each in page["MetricAlarms"]}


def ringing(application: Application) -> set[str]:
    """The alarms that ring now."""
    return {name for name, alarm in described(application).items() if alarm["StateValue"] == "ALARM"}


def hasten(application: Application, name: str, *, period: int, threshold: float | None = None) -> None:
    """Write a deployed alarm anew with a shorter period, and a lower threshold where that is a time."""
    alarm = {key: value for key, value in described(application)[name].items() if value and key not in DESCRIBED}
    if "Metrics" in alarm:
        for metric in alarm["Metrics"]:
            if "MetricStat" in metric:
                metric["MetricStat"]["Period"] = period
        alarm = {key: value for key, value in alarm.items() if key not in ("Period", "Statistic")}
    else:
        alarm |= {"Period": period}
    if "ExtendedStatistic" in alarm:
        alarm.pop("Statistic", None)
    alarm["Threshold"] = threshold if threshold is not None else alarm.get("Threshold", 0)
    application.client("cloudwatch").put_metric_alarm(**alarm)


def rings(application: Application, name: str, go_on: Callable[[], object] = lambda: None) -> None:
    """Wait for an alarm, with the fault going on meanwhile."""

    def look() -> bool:
        go_on()
        time.sleep(1)
        return name in ringing(application)

    eventually(look, RING_SECONDS)


def stop_a_run(application: Application, key: str) -> str:
    """Start the workflow for a photo and stop it at once; the photo's version."""
    version = application.upload(key, sure("bicycle"))
    arn = application.start({"s3_bucket": application.bucket, "s3_key": key, "version_id": version})
    application.client("stepfunctions").stop_execution(executionArn=arn)
    return version


def visible_letters(application: Application) -> int:
    """How many letters nobody is reading."""
    found = application.client("sqs").get_queue_attributes(
        QueueUrl=application.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def newest_run(application: Application, status: str) -> str:
    """The run that came to such an end last."""
    listed = application.client("stepfunctions").list_executions(
        stateMachineArn=application.outputs["StateMachineArn"], statusFilter=status, maxResults=1
    )
    return str(listed["executions"][0]["executionArn"])


def uploader(application: Application, prefix: str, data: bytes) -> Callable[[], None]:
    """Uploads one more of the same at each call."""
    number = 0

    def upload() -> None:
        nonlocal number
        number += 1
        application.upload(f"uploads/{prefix}/{number}.jpg", data)

    return upload


def test_a_clean_run_rings_nothing(watched: Application) -> None:
    """Ten photos classified, one unsure and one junk: every alarm is evaluated, and every one is OK."""
    for number in range(10):
        assert watched.outcome(f"uploads/clean/{number}.jpg", sure("bicycle", number % 2))["outcome"] == "CLASSIFIED"
    watched.outcome("uploads/clean/unsure.jpg", UNSURE)
    watched.outcome("uploads/clean/junk.jpg", JUNK)
    time.sleep(15)

    states = {name: alarm["StateValue"] for name, alarm in described(watched).items()}
    assert set(states.values()) == {"OK"}, states


def test_a_stopped_run_rings_and_its_letter_too(watched: Application) -> None:
    """*workflow-stopped*, *workflow-fault*, and *letters-expiring* when a week is five seconds; their runbooks end all:
    the photo of the stopped run gets its outcome, and a letter that names no photo is deleted by its receipt."""
    hasten(watched, "letters-expiring", period=60, threshold=5)
    key = "elsewhere/stopped.jpg"

    version = stop_a_run(watched, key)
    watched.finished(watched.start({"no": "photo"}))

    for name in ("workflow-stopped", "workflow-fault", "letters-expiring"):
        rings(watched, name)
    follow(watched, "workflow-stopped", EXECUTION=newest_run(watched, "ABORTED"))
    record = watched.record(key, version)
    assert record and record["outcome"] == "CLASSIFIED"
    for page in ("letters-expiring", "workflow-fault"):
        follow(watched, page, "How to look", KEY=key)
    eventually(lambda: visible_letters(watched) == 1, RING_SECONDS)
    assert "NO PHOTO" in said(follow(watched, "letters-expiring", "What to do"), "redrive --stack")
    follow(watched, "workflow-fault", "What to do", HANDLE=lambda heard: str(json.loads(heard)[0][1]))
    eventually(lambda: not ringing(watched), RING_SECONDS)


def test_a_letter_without_a_way_rings(watched: Application) -> None:
    """*letters-undelivered*: the dead-letter queue lets nobody in, so a stopped run leaves no letter."""
    sqs, url = watched.client("sqs"), watched.outputs["DeadLetterQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})

    stop_a_run(watched, "elsewhere/without-letter.jpg")

    rings(watched, "letters-undelivered")
    assert '"Policy"' not in said(follow(watched, "letters-undelivered", "How to look"), "get-queue-attributes")
    # As the change set does, which MiniStack cannot make.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    follow(watched, "letters-undelivered", "What to do")
    assert watched.dead_letters() == []
    eventually(lambda: "letters-undelivered" not in ringing(watched), RING_SECONDS)


def test_an_endpoint_that_talks_nonsense_rings(watched: Application, tmp_path: Path) -> None:
    """*endpoint-failing*: no good answer in three of five periods."""
    photo = tmp_path / "a bicycle.jpg"
    photo.write_bytes(sure("bicycle"))
    hasten(watched, "endpoint-failing", period=10)

    with nonsense_served(watched):
        rings(watched, "endpoint-failing", uploader(watched, "nonsense", sure("bicycle")))
        assert "InvalidPredictionError" in said(follow(watched, "endpoint-failing", "How to look"), "filter-log-events")
    follow(watched, "endpoint-failing", "How to know it is over", PHOTO=str(photo))


def test_slow_runs_ring(watched: Application) -> None:
    """*workflow-slow*, when a minute is five seconds: the endpoint is away for a while, again and again."""
    hasten(watched, "workflow-slow", period=30, threshold=5000)
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            sagemaker.runtime(watched.aws.state_dir).stop()
            over.wait(15)
            sagemaker.runtime(watched.aws.state_dir).launch().ready()
            over.wait(10)

    outage = threading.Thread(target=come_and_go)
    outage.start()
    try:
        rings(watched, "workflow-slow", uploader(watched, "slow", sure("motorcycle")))
    finally:
        over.set()
        outage.join()
    run = newest_run(watched, "SUCCEEDED")
    assert "Classify image" in said(
        follow(watched, "workflow-slow", EXECUTION=run, KEY="uploads/slow/1.jpg"), "get-execution-history"
    )


def test_throttled_functions_ring(watched: Application) -> None:
    """*functions-throttled*: no concurrency is left for a function in three periods."""
    hasten(watched, "functions-throttled", period=10)
    name = {"FunctionName": watched.outputs["SerializeImageFunctionName"]}
    watched.client("lambda").put_function_concurrency(**name, ReservedConcurrentExecutions=0)

    try:
        rings(watched, "functions-throttled", uploader(watched, "throttled", sure("bicycle")))
        done = follow(watched, "functions-throttled")
        assert json.loads(said(done, "get-function-concurrency"))["ReservedConcurrentExecutions"] == 0
    finally:
        watched.client("lambda").delete_function_concurrency(**name)


@pytest.mark.parametrize(("alarm", "data"), [("refused-share", JUNK), ("review-share", UNSURE)])
def test_a_share_rings(watched: Application, alarm: str, data: bytes) -> None:
    """*refused-share*, *review-share*: too many of the uploads of a minute, which stands for an hour."""
    hasten(watched, alarm, period=60)

    rings(watched, alarm, uploader(watched, alarm, data))
    assert f"uploads/{alarm}/" in said(follow(watched, alarm), "vehiclevision results")


# ---- the endpoint, and what stands beside the application ------------------------------------------------------------

BESIDE = ("endpoint-errors", "endpoint-latency", "monitoring-", "reconciling-", "retraining-")
FREE_HOUR = NOON + 10 * DAY


@pytest.fixture(scope="module")
def looked_after(watched: Application, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Run]:
    """The command, on the same AWS with an endpoint that was deployed, monitoring, retraining and reconciling."""
    with command_on(watched) as run:
        run("sagemaker", "register", "--model", str(root / "training/model/model.tar.gz"))
        run("sagemaker", "approve", "--latest", "--yes")
        run("sagemaker", "deploy", "--latest", "--yes")
        watched.outputs.update(deployed_by(run, tmp_path_factory.mktemp("baseline") / "baseline.json")["outputs"])
        yield run


def checked(application: Application, hours: int, shown: list[bytes], **captured: Any) -> dict[str, Any]:
    """One check of an hour that nobody else looks at, with these captures."""
    at = FREE_HOUR + timedelta(hours=hours)
    if shown:
        capture(application, at, shown, hours, **captured)
    return check(application, {"outputs": application.outputs}, at + timedelta(hours=1))


def joined(application: Application) -> dict[str, Any]:
    """What the join of uploads and records says."""
    return invoked(application, application.outputs["FindGapsFunctionName"], {})


@pytest.mark.usefixtures("looked_after")
def test_a_clean_hour_rings_nothing_beside(watched: Application) -> None:
    """A check, a join and photos that are answered: no alarm of endpoint, monitoring, retraining or reconciling."""
    assert checked(watched, 0, pictures(RECORDS, 2))["drifted"] is False
    assert joined(watched)["gaps"] == 0
    for number in range(5):
        assert watched.outcome(f"uploads/clean beside/{number}.jpg", sure("bicycle", number))["outcome"] == "CLASSIFIED"
    time.sleep(15)

    beside = {name for name in described(watched) if name.startswith(BESIDE)}
    assert len(beside) == 9, beside
    assert ringing(watched) & beside == set()


@pytest.mark.usefixtures("looked_after")
def test_drift_rings(watched: Application) -> None:
    """*monitoring-drift*: an hour of darker pictures."""
    assert checked(watched, 1, pictures(RECORDS, 3, light=0.75))["drifted"] is True

    rings(watched, "monitoring-drift")
    assert "monitoring-drift: ALARM" in said(follow(watched, "drift"), "monitor describe")


@pytest.mark.usefixtures("looked_after")
def test_a_fall_of_coverage_rings(watched: Application) -> None:
    """*monitoring-falling-coverage*: the model is no longer sure of anything that it is asked."""
    checked(watched, 2, pictures(RECORDS, 4), surest=0.5)

    rings(watched, "monitoring-falling-coverage")
    follow(watched, "falling-coverage")


@pytest.mark.usefixtures("looked_after")
def test_silence_rings(watched: Application) -> None:
    """*monitoring-silent-capture*: photos were classified, and nothing was captured."""
    for number in range(20):
        at = f"{FREE_HOUR + timedelta(hours=3, minutes=number):%Y-%m-%dT%H:%M:%S}.000Z"
        item = {"object": f"silent/{number}", "version_id": "none", "outcome": "CLASSIFIED", "recorded_at": at}
        text = {name: {"S": value} for name, value in item.items()}
        watched.client("dynamodb").put_item(TableName=watched.outputs["ResultsTableName"], Item=text)
    assert checked(watched, 3, [])["silent"] is True

    rings(watched, "monitoring-silent-capture")
    assert "DestinationS3Uri" in said(follow(watched, "silent-capture"), "describe-endpoint")


@pytest.mark.usefixtures("looked_after")
def test_a_gap_rings(watched: Application) -> None:
    """*reconciling-reconcile-gaps*: a photo has a failure as its record, and longer than a run may take, until the
    runbook has it done."""
    key = "uploads/lost.jpg"
    version = watched.upload(key, sure("bicycle"))
    watched.noted(key, version)
    # Just so old that the join of the clean hour has not come to it.
    at = iso(datetime.now(UTC) - UNDER_WAY - timedelta(milliseconds=500))
    watched.client("dynamodb").update_item(
        TableName=watched.outputs["ResultsTableName"],
        Key={"object": {"S": f"{watched.bucket}/{key}"}, "version_id": {"S": version}},
        UpdateExpression="SET outcome = :failed, recorded_at = :at, announced_at = :nobody",
        ExpressionAttributeValues={":failed": {"S": "FAILED"}, ":at": {"S": at}, ":nobody": {"NULL": True}},
    )
    assert joined(watched)["gaps"] > 0

    rings(watched, "reconciling-reconcile-gaps")
    # The alarm goes by a minute's largest number, so the runbook asks again in another one.
    time.sleep(60 - time.time() % 60)
    done = follow(watched, "reconcile-gaps")
    assert key in said(done, "vehiclevision reconcile --stack")
    assert watched.noted(key, version)["outcome"] == "CLASSIFIED"
    assert '"gaps": 0' in said(done, "lambda invoke")
    eventually(lambda: "reconciling-reconcile-gaps" not in ringing(watched), RING_SECONDS)


@pytest.mark.usefixtures("looked_after")
@pytest.mark.parametrize("alarm", ["monitoring-check-failing", "reconciling-reconcile-behind"])
def test_what_no_longer_happens_is_told(watched: Application, alarm: str) -> None:
    """Nobody checks, nobody joins, for as many periods as it may: no data, which tells the topic as a ring does."""
    hasten(watched, alarm, period=10)

    seconds = 10 * described(watched)[alarm]["EvaluationPeriods"] + RING_SECONDS
    eventually(lambda: described(watched)[alarm]["StateValue"] == "INSUFFICIENT_DATA", seconds)
    assert described(watched)[alarm]["InsufficientDataActions"] == [watched.outputs["AlarmTopicArn"]]
    follow(watched, alarm.partition("-")[2])
    eventually(lambda: described(watched)[alarm]["StateValue"] == "OK", RING_SECONDS)


@pytest.mark.usefixtures("looked_after")
def test_a_run_of_retraining_that_is_stopped_rings(watched: Application) -> None:
    """*retraining-failed*: somebody stops a run."""
    states = watched.client("stepfunctions")
    machine = watched.outputs["RetrainModelStateMachineArn"]

    def stop_one() -> None:
        run = states.start_execution(stateMachineArn=machine, input="{}")
        states.stop_execution(executionArn=run["executionArn"])

    stop_one()
    rings(watched, "retraining-failed")
    assert "ABORTED" in said(follow(watched, "retraining-failed"), "retrain describe")


@pytest.mark.usefixtures("looked_after")
def test_a_slow_model_rings(watched: Application) -> None:
    """*endpoint-latency*, when five seconds are a tenth of a millisecond."""
    hasten(watched, "endpoint-latency", period=10, threshold=100)

    rings(watched, "endpoint-latency", uploader(watched, "latency", sure("bicycle")))


@pytest.mark.usefixtures("looked_after")
def test_a_broken_model_rings(watched: Application) -> None:
    """*endpoint-errors*: what the endpoint serves was damaged; with the right file back, it is quiet again."""
    hasten(watched, "endpoint-errors", period=10)
    served = json.loads(sagemaker.endpoints_file(watched.aws.state_dir).read_text())["endpoints"]["vehiclevision"]
    path = CHECKOUT / served["variants"][0]["model"]
    assert watched.aws.state_dir in path.parents
    good = path.read_bytes()
    path.write_bytes(b"no model")

    try:
        rings(watched, "endpoint-errors", uploader(watched, "broken", sure("bicycle")))
    finally:
        path.write_bytes(good)
    sagemaker_client = watched.client("sagemaker")
    config = sagemaker_client.describe_endpoint(EndpointName="vehiclevision")["EndpointConfigName"]
    variants = sagemaker_client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    sagemaker_client.create_endpoint_config(EndpointConfigName="that-worked", ProductionVariants=variants)
    follow(watched, "endpoint-failing", "What to do", CONFIGURATION="that-worked")
    eventually(lambda: "endpoint-errors" not in ringing(watched), RING_SECONDS)
