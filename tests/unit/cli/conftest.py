"""A deployed application in moto, and what the workflow would write into it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from moto import mock_aws

from cli.errors import INTERRUPTED
from cli.main import main
from cli.target import Target
from tests.unit.cli.answers import Answer, Called, Command

STACK = "vehicles"
REGION = "eu-central-1"

_TABLE: dict[str, Any] = {
    "TableName": "results",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("object", "version_id", "outcome", "recorded_at")
    ],
    "KeySchema": [
        {"AttributeName": "object", "KeyType": "HASH"},
        {"AttributeName": "version_id", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by_outcome",
            "KeySchema": [
                {"AttributeName": "outcome", "KeyType": "HASH"},
                {"AttributeName": "recorded_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}
_OUTPUTS = {
    "BucketName": "vehicles-uploads",
    "ResultsTableName": "results",
    "StateMachineArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:vehicles-classify-vehicle",
    "EventBusName": "vehicles",
    "DeadLetterQueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/letters",
    "SerializeImageLogGroup": "/aws/lambda/vehicles-serialize-image",
    "ClassifyImageLogGroup": "/aws/lambda/vehicles-classify-image",
    "FilterInferencesLogGroup": "/aws/lambda/vehicles-filter-inferences",
}


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Called:
    """Call what stands behind a command and keep what it prints."""

    def run(function: Callable[[], int]) -> Answer:
        capsys.readouterr()
        try:
            code = function()
        except typer.Abort:  # as main does
            code = INTERRUPTED
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def command(called: Called, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run one command line in this process, with nothing of the person's own AWS settings and no local AWS."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("VEHICLEVISION_DIRECTORY", str(tmp_path / "local"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str | Path) -> Answer:
        return called(lambda: main([str(argument) for argument in arguments]))

    return run


@pytest.fixture
def deployed(command: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """The application's resources in moto; CloudFormation itself needs packages that are not installed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        target = Target(STACK, REGION, _OUTPUTS, boto3.session.Session(region_name=REGION))
        s3 = target.client("s3")
        s3.create_bucket(Bucket=target.output("BucketName"), CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=target.output("BucketName"), VersioningConfiguration={"Status": "Enabled"})
        target.client("dynamodb").create_table(**_TABLE)
        for name in ("SerializeImageLogGroup", "ClassifyImageLogGroup", "FilterInferencesLogGroup"):
            target.client("logs").create_log_group(logGroupName=target.output(name))
        target.client("sqs").create_queue(QueueName="letters")
        target.client("events").create_event_bus(Name=target.output("EventBusName"))
        target.client("stepfunctions").create_state_machine(
            name="vehicles-classify-vehicle",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            roleArn="arn:aws:iam::123456789012:role/vehicles",
        )
        yield target
