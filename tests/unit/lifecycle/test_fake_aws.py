"""The small AWS of these tests answers as moto does, which many others hold against AWS itself."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lifecycle import registry
from lifecycle.site import Aws, Site
from tests.unit.lifecycle.fake_aws import REGION, FakeAws

ROLE = "arn:aws:iam::123456789012:role/x"
MISSING = [
    ("describe_training_job", {"TrainingJobName": "none"}),
    ("describe_model", {"ModelName": "none"}),
    ("describe_endpoint", {"EndpointName": "none"}),
    ("describe_endpoint_config", {"EndpointConfigName": "none"}),
    ("describe_model_package_group", {"ModelPackageGroupName": "none"}),
    ("describe_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "none"}),
]


@pytest.fixture(params=["fake", "moto"])
def aws(request: pytest.FixtureRequest) -> Iterator[Aws]:
    """The same site in the fake and in moto."""
    if request.param == "fake":
        yield FakeAws().aws()
        return
    with mock_aws():
        session: Any = boto3.session.Session("testing", "testing", region_name=REGION)
        site = Site("vehiclevision", "123456789012", REGION)
        yield Aws(site, session.client, lambda _: None)


@pytest.mark.parametrize(("operation", "parameters"), MISSING)
def test_what_is_not_there_is_none(aws: Aws, operation: str, parameters: dict[str, str]) -> None:
    """Each service's way to say `not found` is understood."""
    assert registry.described_or_none(aws, operation, **parameters) is None


def test_a_group_is_made_once_and_found(aws: Aws) -> None:
    """Made, found, and no error the second time."""
    registry.ensure_group(aws)
    registry.ensure_group(aws)

    assert registry.group_exists(aws)
    assert registry.versions(aws) == []


def test_tags_are_found_by_the_arn(aws: Aws) -> None:
    """What was made with our tags is ours."""
    control = aws.client("sagemaker")
    given: dict[str, Any] = {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/x"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Tags": aws.site.tags,
    }

    arn = control.create_training_job(**given)["TrainingJobArn"]

    assert {"Key": "application", "Value": "vehiclevision"} in control.list_tags(ResourceArn=arn)["Tags"]
    assert registry.tags_of(aws, arn)["vehiclevision:sagemaker"] == "vehiclevision"


def test_logs_and_alarms(aws: Aws) -> None:
    """A log group is made once, found by its prefix, and gone after its deletion; alarms are found by name."""
    logs, cloudwatch = aws.client("logs"), aws.client("cloudwatch")
    logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/x")
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/x")

    found = logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/Endpoints/x")["logGroups"]
    logs.delete_log_group(logGroupName="/aws/sagemaker/Endpoints/x")

    assert [group["logGroupName"] for group in found] == ["/aws/sagemaker/Endpoints/x"]
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/Endpoints/x")["logGroups"] == []
    assert cloudwatch.describe_alarms(AlarmNames=["none"])["MetricAlarms"] == []
