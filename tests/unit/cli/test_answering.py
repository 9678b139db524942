"""Commands whose photos would wait in vain say so before they wait."""

import boto3
import pytest
from moto import mock_aws

from cli.answering import Endpoint, endpoint_of
from cli.display import typed
from cli.target import Target
from monitoring.alarms import ringing
from tests.unit.cli.conftest import REGION, STACK


@pytest.mark.parametrize("status", ["InService", "Updating", "SystemUpdating", "RollingBack"])
def test_an_endpoint_that_answers_is_no_trouble(status: str) -> None:
    """While SageMaker changes an endpoint the version before answers."""
    assert Endpoint("vehicles", status, "deploy").trouble == ""


@pytest.mark.parametrize(("status", "words"), [(None, "There is no endpoint"), ("Failed", "is Failed")])
def test_one_that_does_not_answer_is_told_with_the_command_that_helps(status: str | None, words: str) -> None:
    """What is wrong, what becomes of photos, and what to type."""
    trouble = Endpoint("vehicles", status, "vehiclevision sagemaker deploy --latest").trouble

    assert words in trouble
    assert "FAILED" in trouble
    assert trouble.endswith("vehiclevision sagemaker deploy --latest")


def test_an_application_whose_endpoint_is_missing() -> None:
    """The name comes from the application's stack, the answer from SageMaker; an older stack names none."""
    session = boto3.session.Session("testing", "testing", region_name=REGION)
    with mock_aws():
        endpoint = endpoint_of(Target(STACK, REGION, {"EndpointName": "vehicles"}, session))
        assert endpoint_of(Target(STACK, REGION, {}, session)) is None

    assert endpoint is not None
    assert (endpoint.name, endpoint.status) == ("vehicles", None)
    assert endpoint.deploy == f"{typed()} sagemaker deploy --latest --aws --region {REGION}"


def test_alarms_that_ring_are_told(deployed: Target) -> None:
    """The application's that are in ALARM, with what they say, and nobody else's."""
    cloudwatch = deployed.client("cloudwatch")
    for name in (f"{STACK}-workflow-fault", f"{STACK}-letters-expiring", "others-fault"):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmDescription=f"What {name} is about",
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )
    for name in (f"{STACK}-workflow-fault", "others-fault"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="planted")

    assert ringing(deployed.client, deployed.stack) == {
        f"{STACK}-workflow-fault": f"What {STACK}-workflow-fault is about"
    }
