"""Runs started by hand, where things are, and the events that are announced."""

import json
from typing import Any

import pytest

from cli import announcements
from cli.commands import start
from cli.commands.open import console_url
from cli.errors import CommandError
from cli.target import Target
from tests.unit.cli.answers import Called, known
from tests.unit.cli.recorded import put_record

KEY = "uploads/a b.jpg"


@pytest.fixture
def _runs_end(deployed: Target) -> None:
    """Every run has succeeded when it is looked at: moto leaves them running."""

    def end(parsed: dict[str, Any], **_: Any) -> None:
        parsed["status"] = "SUCCEEDED"

    deployed.session.events.register("after-call.stepfunctions.DescribeExecution", end)


def _starts(target: Target) -> list[dict[str, Any]]:
    """The inputs of all runs."""
    step_functions = target.client("stepfunctions")
    runs = step_functions.list_executions(stateMachineArn=target.output("StateMachineArn"))["executions"]
    return [json.loads(step_functions.describe_execution(executionArn=run["executionArn"])["input"]) for run in runs]


@pytest.mark.usefixtures("_runs_end")
def test_a_run_by_hand_ends_with_the_record(deployed: Target, called: Called) -> None:
    """The workflow is started with the object's names and version, and the record is printed like drop's line."""
    bucket = deployed.output("BucketName")
    put_record(deployed, KEY, "7", "NEEDS_REVIEW", confidence={"N": "0.4"})

    answer = called(
        lambda: start.command(bucket=bucket, key=KEY, application=known(deployed), version_id="7", as_json=True)
    )

    assert answer.code == 0
    assert _starts(deployed) == [{"s3_bucket": bucket, "s3_key": KEY, "version_id": "7"}]
    (line,) = answer.json_lines()
    assert (line["key"], line["version_id"], line["outcome"]) == (KEY, "7", "NEEDS_REVIEW")


@pytest.mark.usefixtures("_runs_end")
def test_a_run_by_hand_takes_the_newest_version(deployed: Target, called: Called) -> None:
    """Without a version the run is for the object's newest one, and so is the printed record."""
    bucket = deployed.output("BucketName")
    version = deployed.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"x")["VersionId"]
    put_record(deployed, KEY, "another")
    put_record(deployed, KEY, version, "REJECTED")

    answer = called(lambda: start.command(bucket=bucket, key=KEY, application=known(deployed), as_json=True))

    assert _starts(deployed) == [{"s3_bucket": bucket, "s3_key": KEY}]
    assert answer.json_lines()[0]["version_id"] == version


@pytest.mark.usefixtures("_runs_end")
def test_a_run_by_hand_finds_the_record_of_a_bucket_without_versions(deployed: Target, called: Called) -> None:
    """A backfill went through it: this run has nothing left to do, and says what became of the photo then."""
    s3 = deployed.client("s3")
    s3.create_bucket(Bucket="old", CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    s3.put_object(Bucket="old", Key=KEY, Body=b"x")
    put_record(deployed, KEY, "null", "REJECTED", object={"S": f"old/{KEY}"}, s3_bucket={"S": "old"})

    answer = called(lambda: start.command(bucket="old", key=KEY, application=known(deployed), as_json=True))

    assert (answer.code, answer.json_lines()[0]["outcome"]) == (0, "REJECTED")


@pytest.mark.usefixtures("_runs_end")
def test_a_run_without_a_record_has_failed(deployed: Target, called: Called) -> None:
    """When the run ends and left no record, the exit code is 1."""
    bucket = deployed.output("BucketName")

    answer = called(
        lambda: start.command(bucket=bucket, key=KEY, application=known(deployed), version_id="7", as_json=True)
    )

    assert answer.code == 1
    assert answer.json_lines()[0]["outcome"] == "FAILED"


def test_empty_names_start_nothing(deployed: Target) -> None:
    """An empty key is a mistake in the command."""
    with pytest.raises(CommandError) as caught:
        start.command(bucket=deployed.output("BucketName"), key="", application=known(deployed))

    assert caught.value.exit_code == 2
    assert _starts(deployed) == []


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-central-1", "eu-central-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_the_console_page_is_the_partitions_own(partition: str, region: str, host: str) -> None:
    """The workflow's page is in the console of its partition and region."""
    arn = f"arn:{partition}:states:{region}:123456789012:stateMachine:vehicles"

    url = console_url(arn)

    assert url.startswith(f"https://{host}/states/home?region={region}#/statemachines/view/arn%3A{partition}%3A")


def test_announced_events_are_heard_and_nothing_stays(deployed: Target) -> None:
    """A listener gets what is announced of the wanted images, each once, and leaves neither queue nor rule."""
    events, sqs, bus = deployed.client("events"), deployed.client("sqs"), deployed.output("EventBusName")
    detail = {"label": "bicycle", "confidence": 0.9, "route": "nearby", "s3_key": KEY, "version_id": "7"}
    other = {**detail, "version_id": "8"}

    with announcements.listen(deployed) as listener:
        for kind, content in (
            ("SomethingElse", detail),
            *(("VehicleClassified", sent) for sent in (other, detail, detail)),
        ):
            entry = {"Source": "vehiclevision", "DetailType": kind, "Detail": json.dumps(content), "EventBusName": bus}
            events.put_events(Entries=[entry])
        heard = listener.receive({"7", "never"}, 2)

    assert heard == [detail]
    assert "-listener-" not in str(sqs.list_queues())
    assert events.list_rules(EventBusName=bus)["Rules"] == []


def test_a_listener_goes_even_when_its_user_fails(deployed: Target) -> None:
    """An error or Ctrl-C in between leaves neither queue nor rule."""
    with pytest.raises(KeyboardInterrupt), announcements.listen(deployed):
        raise KeyboardInterrupt

    assert "-listener-" not in str(deployed.client("sqs").list_queues())
    assert deployed.client("events").list_rules(EventBusName=deployed.output("EventBusName"))["Rules"] == []
