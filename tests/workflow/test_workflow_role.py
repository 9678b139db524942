"""The workflow and its functions are held to their roles: without a permission each fails as it says.

"Because an IAM principal is denied access by default, they must be explicitly allowed to perform an action." (AWS IAM
User Guide, reference_policies_evaluation-logic_AccessPolicyLanguage_Interplay, read 28 November 2026)
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.driver import Application, without_actions
from tests.workflow.engine_bench import eventually
from tests.workflow.test_classify_vehicle import sure, wait_for_letters

Starter = Callable[..., tuple[dict[str, Any], dict[str, Any] | None]]


def impatient(definition: str) -> str:
    """The workflow as it is deployed, with one retry after a second where it has many after minutes."""
    machine = json.loads(definition)
    for state in machine["States"].values():
        for retry in state.get("Retry", []):
            retry |= {"MaxAttempts": min(1, retry["MaxAttempts"]), "IntervalSeconds": 1}
    return json.dumps(machine)


def role_without(application: Application, role_arn: str, name: str, actions: Iterable[str], *more: Any) -> str:
    """A role like another that lacks actions, and may do what more statements say; its ARN."""
    iam, role = application.client("iam"), role_arn.rpartition("/")[2]
    policy = iam.get_role_policy(RoleName=role, PolicyName="take-the-steps")["PolicyDocument"]
    policy = without_actions(policy, list(actions))
    policy["Statement"] += more
    trust = json.dumps(iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
    iam.put_role_policy(RoleName=name, PolicyName="less", PolicyDocument=json.dumps(policy))
    return arn


@pytest.fixture
def start_without(application: Application) -> Starter:
    """Starts the deployed workflow for a photo under a role that lacks actions; how it ended, and its record."""

    def start(*actions: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
        states = application.client("stepfunctions")
        deployed = states.describe_state_machine(stateMachineArn=application.outputs["StateMachineArn"])
        name = "without-" + "-".join(action.rpartition(":")[2] for action in actions)
        arn = role_without(application, deployed["roleArn"], name, actions)
        machine = states.create_state_machine(name=name, definition=impatient(deployed["definition"]), roleArn=arn)
        # Not under uploads/, where the workflow with its own role would be started as well.
        key = f"{name}/photo.jpg"
        version = application.upload(key, sure("bicycle"))
        photo = {"s3_bucket": application.bucket, "s3_key": key, "version_id": version}
        started = states.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(photo))
        ended = application.finished(started["executionArn"])
        return ended, application.record(key, version, wait=False)

    return start


def test_a_workflow_that_may_not_record_leaves_a_letter(application: Application, start_without: Starter) -> None:
    """*Record vehicle* is caught by *Write letter*, and nothing is announced."""
    application.dead_letters()

    ended, record = start_without("dynamodb:PutItem")
    (letter,) = wait_for_letters(application)

    assert (ended["error"], record) == ("RECORD_NOT_WRITTEN", None)
    assert letter["detail-type"] == "RecordNotWritten"
    assert letter["detail"]["executionArn"] == ended["executionArn"]


def test_a_workflow_that_may_neither_record_nor_write_says_so(application: Application, start_without: Starter) -> None:
    """*Write letter* is caught by *Not recorded*: the run fails by name and claims no letter that is not there."""
    application.dead_letters()

    ended, record = start_without("dynamodb:PutItem", "sqs:SendMessage")

    assert (ended["error"], record) == ("RECORD_NOT_WRITTEN", None)
    assert application.dead_letters() == []


def test_a_workflow_that_may_not_announce_leaves_the_record_open(start_without: Starter) -> None:
    """*Announce vehicle* is caught by *Not announced*: classified, and not noted as announced."""
    ended, record = start_without("events:PutEvents")

    assert ended["error"] == "ANNOUNCEMENT_FAILED"
    assert record is not None
    assert (record["outcome"], record["announced_at"]) == ("CLASSIFIED", None)


def test_a_workflow_that_may_not_note_leaves_a_letter(application: Application, start_without: Starter) -> None:
    """*Note announcement* is caught by *Write letter*: whoever works letters off announces under the same id."""
    application.dead_letters()

    ended, record = start_without("dynamodb:UpdateItem")
    (letter,) = wait_for_letters(application)

    assert (ended["error"], letter["detail"]["outcome"]) == ("RECORD_NOT_WRITTEN", "CLASSIFIED")
    assert record is not None
    assert record["announced_at"] is None


def test_a_workflow_that_may_not_call_its_functions_records_the_failure(start_without: Starter) -> None:
    """*Serialize image* is caught by *Record outcome*: FAILED, with AWS's name of the error as its reason."""
    ended, record = start_without("lambda:InvokeFunction")

    assert ended["error"] == "Lambda.AWSLambdaException"
    assert record is not None
    assert (record["outcome"], record["reason"]) == ("FAILED", "Lambda.AWSLambdaException")


def test_a_function_that_may_not_read_says_so(application: Application) -> None:
    """*Serialize image* without its grant on S3 fails with the error that nobody retries; with it, it reads."""
    key = "reading/photo.jpg"
    photo = {"s3_bucket": application.bucket, "s3_key": key, "version_id": application.upload(key, sure("bicycle"))}
    function = application.outputs["SerializeImageFunctionName"]

    with application.without("SerializeImageRole", "s3:GetObject", "s3:GetObjectVersion"):
        said = application.failure(function, photo)

    assert said.startswith("StorageRefusedError: "), said
    assert application.failure(function, photo) == ""


def test_a_function_that_may_not_ask_the_endpoint_says_so(application: Application, root: Path) -> None:
    """*Classify image* without sagemaker:InvokeEndpoint: refused as SageMaker refuses it; with it, it is answered."""
    picture = json.loads((root / "events" / "classify_image.json").read_text("utf-8"))
    function = application.outputs["ClassifyImageFunctionName"]

    with application.without("ClassifyImageRole", "sagemaker:InvokeEndpoint"):
        said = application.failure(function, picture)

    assert said.startswith("EndpointRefusedError: "), said
    assert "(AccessDeniedException)" in said
    assert application.failure(function, picture) == ""


def test_cloudwatch_is_told_of_the_endpoints_requests(application: Application, root: Path) -> None:
    """Some seconds later, by the endpoint and the variant that answered."""
    picture = json.loads((root / "events" / "classify_image.json").read_text("utf-8"))
    assert application.failure(application.outputs["ClassifyImageFunctionName"], picture) == ""
    of_variant = [{"Name": "EndpointName", "Value": "vehiclevision"}, {"Name": "VariantName", "Value": "AllTraffic"}]

    def told() -> set[str]:
        pages = application.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker")
        metrics = [each for page in pages for each in page["Metrics"]]
        return {each["MetricName"] for each in metrics if each["Dimensions"] == of_variant}

    eventually(lambda: told() == {"Invocations", "Invocation5XXErrors", "ModelLatency", "OverheadLatency"}, 60.0)


@pytest.mark.parametrize(
    ("lacking", "by_express"), [((), True), (("lambda:InvokeFunction",), False), (("events:PutEvents",), True)]
)
def test_express_does_what_it_can_and_hands_over_the_rest(
    application: Application, lacking: tuple[str, ...], by_express: bool
) -> None:
    """An Express run records and announces by itself; what it may not do, the Standard run does that it starts."""
    states, standard = application.client("stepfunctions"), application.outputs["StateMachineArn"]
    deployed = states.describe_state_machine(stateMachineArn=standard)
    name = "-".join(("express", *(action.rpartition(":")[2] for action in lacking)))
    hand_over = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": standard}
    arn = role_without(application, deployed["roleArn"], name, lacking, hand_over)
    hurried = deployed["definition"].replace("Express.Fault", "States.TaskFailed")
    machine = states.create_state_machine(
        name=name, type="EXPRESS", roleArn=arn, definition=hurried.replace("Express.Timeout", "States.Timeout")
    )["stateMachineArn"]
    key = f"{name}/photo.jpg"
    version = application.upload(key, sure("bicycle"))
    detail = {"bucket": {"name": application.bucket}, "object": {"key": key, "version-id": version, "sequencer": "0A"}}
    request = {"id": name, "detail": detail}

    started = states.start_execution(stateMachineArn=machine, input=json.dumps(request))["executionArn"]
    record = application.noted(key, version)

    assert (record["outcome"], record["sequencer"], record["correlation_id"]) == ("CLASSIFIED", "0A", name)
    assert (record["execution"] == started) is by_express
    assert len(application.announced(key)) == 1


def test_a_backfill_of_nothing_ends_at_once(application: Application, root: Path) -> None:
    """Its map lists the prefix by the role's right, starts no batch, and writes down that there was nothing."""
    iam, states = application.client("iam"), application.client("stepfunctions")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="backfill", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]
    may = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:PutObject", "states:StartExecution"], "Resource": "*"}
    iam.put_role_policy(RoleName="backfill", PolicyName="all", PolicyDocument=json.dumps({"Statement": [may]}))
    definition = (root / "backfilling/statemachine/backfill.asl.json").read_text("utf-8")
    for name, value in {
        "S3ListObjectsV2": "arn:aws:states:::s3:listObjectsV2",
        "S3PutObject": "arn:aws:states:::s3:putObject",
        "UploadBucketName": application.bucket,
        "BackfillPhotosFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:asked-for-nothing",
    }.items():
        definition = definition.replace(f"${{{name}}}", value)
    made = states.create_state_machine(name="backfill-of-nothing", definition=definition, roleArn=role["Arn"])
    asked = {"bucket": application.bucket, "prefix": "uploads/nobody/", "limit": 10, "batches_at_a_time": 1}

    run = states.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(asked))
    ended = application.finished(run["executionArn"])

    assert ended["status"] == "SUCCEEDED", ended
    written = application.client("s3").list_objects_v2(Bucket=application.bucket, Prefix="backfills/")["Contents"]
    assert [each["Key"].rpartition("/")[2] for each in written] == ["manifest.json"]
