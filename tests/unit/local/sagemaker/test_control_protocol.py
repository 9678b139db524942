"""The local SageMaker's API refuses what SageMaker refuses, in its words, and says what it does not know."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from local.sagemaker.control.errors import ServiceError
from local.sagemaker.control.protocol import load_model, parse
from local.sagemaker.control.server import MAX_BODY_BYTES
from tests.unit.local.sagemaker.bench import IMAGE, ROLE, Plane, refused, training_request

MODEL = load_model()


def ask(plane: Plane, target: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    """A request as no SDK would make it."""
    sent = {"X-Amz-Target": target, "Authorization": "AWS4-HMAC-SHA256 Credential=x", **headers}
    request = urllib.request.Request(f"{plane.url}/", body, sent, method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def refusal(operation: str, request: Any) -> ServiceError:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    with pytest.raises(ServiceError) as caught:
        parse(MODEL, operation, body)
    return caught.value


@pytest.mark.parametrize(
    ("operation", "request_", "words"),
    [
        ("DescribeEndpoint", {}, "Value null at 'endpointName' failed to satisfy constraint: Member must not be null"),
        (
            "DescribeTrainingJob",
            {"TrainingJobName": "-x"},
            "Value '-x' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression "
            "pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        ),
        (
            "DescribeTrainingJob",
            {"TrainingJobName": "x" * 64},
            "at 'trainingJobName' failed to satisfy constraint: Member must have length less than or equal to 63",
        ),
        (
            "ListTrainingJobs",
            {"MaxResults": 101},
            "'101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100",
        ),
        (
            "ListEndpoints",
            {"StatusEquals": "Fine"},
            "Value 'Fine' at 'statusEquals' failed to satisfy constraint: Member must satisfy enum value set: [",
        ),
        (
            "AddTags",
            {"ResourceArn": "arn:aws:sagemaker:us-east-1:000000000000:model/m", "Tags": [{"Key": "k"}]},
            "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null",
        ),
        (
            "AddTags",
            {"ResourceArn": "arn:aws:sagemaker:us-east-1:000000000000:model/m", "Tags": [{"Key": "a*b", "Value": ""}]},
            "at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern",
        ),
    ],
    ids=["missing", "pattern", "length", "range", "enum", "nested", "unicode pattern"],
)
def test_a_request_against_the_model_is_refused_in_sagemakers_words(
    operation: str, request_: dict[str, Any], words: str
) -> None:
    """Patterns, lengths, ranges, enums and required members are checked, and the place is named."""
    error = refusal(operation, request_)

    assert error.code == "ValidationException"
    assert words in error.message
    assert error.message.startswith("1 validation error detected: ")


def test_several_problems_are_told_together() -> None:
    """As SageMaker does, with their number first."""
    error = refusal("CreateTrainingJob", {"TrainingJobName": "ok", "RoleArn": "no"})

    assert error.message.split(":")[0].endswith("validation errors detected")
    assert "'roleArn'" in error.message


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b"[" * 100_000,
        b"\xff",
        {"TrainingJobName": 5},
        {"TrainingJobName": ["x"]},
        {"TrainingJobName": {}},
    ],
    ids=["cut", "list", "deep", "bytes", "number", "list value", "structure value"],
)
def test_what_is_no_request_is_a_serialization_error(body: Any) -> None:
    """No input makes the service fail."""
    assert refusal("DescribeTrainingJob", body).code == "SerializationException"


def test_what_the_model_does_not_know_is_not_looked_at() -> None:
    """As in AWS, an unknown member is dropped and null is the same as absent."""
    assert parse(MODEL, "ListEndpoints", b'{"Nonsense": 1, "MaxResults": null}') == {}


def test_an_operation_that_is_not_here_names_those_that_are(plane: Plane) -> None:
    """A caller learns what the local SageMaker can do."""
    with refused("UnknownOperationException", "has no SageMaker.ListClusters", "CreateTrainingJob", "UpdateEndpoint"):
        plane.sagemaker.list_clusters()


@pytest.mark.parametrize(
    "target", ["", "DynamoDB_20120810.ListTables", "SageMaker.", "SageMaker.NoSuch", "SageMaker.../x"]
)
def test_a_foreign_target_is_an_unknown_operation(plane: Plane, target: str) -> None:
    """Whatever the header says, the answer is an error in AWS's form."""
    status, answer = ask(plane, target, b"{}")

    assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_a_long_request_is_cut_off(plane: Plane) -> None:
    """One byte beyond the limit is refused; of more, a sender may see no answer but a closed connection."""
    status, answer = ask(plane, "SageMaker.ListEndpoints", b"x" * (MAX_BODY_BYTES + 1))

    assert (status, answer["__type"]) == (413, "RequestEntityTooLargeException")


def test_missing_things_are_called_missing_in_sagemakers_words(plane: Plane) -> None:
    """Each kind has its own code and sentence."""
    ask_for, arn = plane.sagemaker, "arn:aws:sagemaker:us-east-1:000000000000:"
    with refused("ValidationException", f'Could not find endpoint "{arn}endpoint/nobody".'):
        ask_for.describe_endpoint(EndpointName="Nobody")
    with refused("ValidationException", f'Could not find endpoint configuration "{arn}endpoint-config/nobody".'):
        ask_for.describe_endpoint_config(EndpointConfigName="nobody")
    with refused("ValidationException", f'Could not find model "{arn}model/nobody".'):
        ask_for.describe_model(ModelName="nobody")
    with refused("ValidationException", "Requested resource not found."):
        ask_for.describe_training_job(TrainingJobName="nobody")
    with refused("ResourceNotFound", "can't find a tuning job called nobody"):
        ask_for.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="nobody")
    with refused("ValidationException", f"ModelPackageGroup {arn}model-package-group/nobody does not exist."):
        ask_for.describe_model_package_group(ModelPackageGroupName="nobody")
    with refused("ValidationException", f"ModelPackage {arn}model-package/nobody/1 does not exist."):
        ask_for.describe_model_package(ModelPackageName=f"{arn}model-package/nobody/1")
    with refused("ValidationException", "Could not find resource"):
        ask_for.list_tags(ResourceArn=f"{arn}endpoint/nobody")


def test_the_builtin_algorithm_is_refused_with_the_way_out(plane: Plane) -> None:
    """Its container cannot run here; the sentence names what can."""
    image = "811284229777.dkr.ecr.us-east-1.amazonaws.com/image-classification:1"
    request = training_request("builtin", "s3://models/x.tar.gz")
    request["AlgorithmSpecification"]["TrainingImage"] = image
    with refused("ValidationException", "built-in image classification", "--algorithm own"):
        plane.sagemaker.create_training_job(**request)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"HyperParameters": {}}, "sagemaker_program"),
        ({"HyperParameters": {"sagemaker_program": "train.py"}}, "sagemaker_submit_directory"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}}, "EnableManagedSpotTraining"),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
            "InstanceCount must be 1",
        ),
        (
            {"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"}},
            "no Pipe mode",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "m", "Regex": "("}],
                }
            },
            "Invalid regular expression",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE,
                    "TrainingInputMode": "File",
                    "ContainerEntrypoint": ["/bin/bash"],
                }
            },
            "script mode only",
        ),
        ({"OutputDataConfig": {"S3OutputPath": "https://x/y"}}, "s3://"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "unique"),
    ],
    ids=["no program", "no source", "spot", "wait", "two machines", "pipe", "regex", "entry point", "output", "tags"],
)
def test_a_job_that_cannot_run_here_is_refused(plane: Plane, changes: dict[str, Any], words: str) -> None:
    """At once, with a sentence, and nothing of it is kept."""
    with refused("ValidationException", words):
        plane.sagemaker.create_training_job(**{**training_request("refused", "s3://models/x.tar.gz"), **changes})
    with refused("ValidationException", "Requested resource not found."):
        plane.job("refused")


def test_pages_follow_one_another_while_things_come_and_go(plane: Plane) -> None:
    """Every entry that stays is listed once, whatever is added or deleted between two pages."""
    sagemaker = plane.sagemaker
    for number in range(12):
        sagemaker.create_model_package_group(ModelPackageGroupName=f"page-{number:02d}")
    asked = {"NameContains": "PAGE-", "SortBy": "Name", "SortOrder": "Ascending"}

    first = sagemaker.list_model_package_groups(**asked)
    sagemaker.create_model_package_group(ModelPackageGroupName="page-00a")
    sagemaker.delete_model_package_group(ModelPackageGroupName="page-03")
    rest = sagemaker.list_model_package_groups(**asked, NextToken=first["NextToken"])

    names = [each["ModelPackageGroupName"] for page in (first, rest) for each in page["ModelPackageGroupSummaryList"]]
    assert names == [f"page-{number:02d}" for number in range(12)]
    assert "NextToken" not in rest
    newest = sagemaker.list_model_package_groups(NameContains="page-", MaxResults=1)["ModelPackageGroupSummaryList"]
    assert newest[0]["ModelPackageGroupName"] == "page-00a"
    for token in (
        "nonsense",
        "",
        "WzFd",
        base64.b64encode(b"[" * 6000).decode(),
        base64.b64encode(b"[[], 1]").decode(),
    ):
        with refused("ValidationException", "Invalid NextToken"):
            sagemaker.list_model_package_groups(**asked, NextToken=token)


def test_tags_are_kept_per_resource(plane: Plane) -> None:
    """Add, list, replace and delete; the resource's end is theirs."""
    sagemaker = plane.sagemaker
    tags = [{"Key": "project", "Value": "x"}]
    arn = sagemaker.create_model_package_group(ModelPackageGroupName="tagged", Tags=tags)["ModelPackageGroupArn"]

    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "project", "Value": "y"}, {"Key": "more", "Value": ""}])
    found = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["more", "never there"])

    assert {each["Key"]: each["Value"] for each in found} == {"project": "y", "more": ""}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "project", "Value": "y"}]
    with refused("ValidationException", "reserved"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": ""}])
    with refused("ResourceLimitExceeded", "50"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])
    sagemaker.delete_model_package_group(ModelPackageGroupName="tagged")
    sagemaker.create_model_package_group(ModelPackageGroupName="tagged")
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_the_default_endpoint_of_a_fresh_state_is_there(plane: Plane) -> None:
    """With a model and a configuration, as if it had been deployed."""
    found = plane.endpoint("vehiclevision")
    config = plane.sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    model = plane.sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])

    assert found["EndpointStatus"] == "InService"
    assert model["PrimaryContainer"]["ModelDataUrl"].startswith("s3://")
    assert model["ExecutionRoleArn"] != ROLE
    assert plane.served()["vehiclevision"]["variants"][0]["model"] == "training/model/model.tar.gz"
