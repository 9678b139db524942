"""The local SageMaker from training to teardown, with the whole workflow in front of it and tasks that reach it."""

import contextlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from cli import samples
from local import stack
from local.place import CHECKOUT
from local.sagemaker import servers as sagemaker
from local.sagemaker.servers import SHIPPED_MODEL
from serving.server import MAX_PAYLOAD_BYTES
from tests.workflow.driver import PATIENCE_SECONDS, Application

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312-ubuntu22.04-sagemaker"
ROLE = "arn:aws:iam::000000000000:role/sagemaker"
BUCKET = "sagemaker-workflow"
ENDPOINT = "vehiclevision"
# Trains nothing: it takes the model from its channel, as training that goes on from a model would.
PROGRAM = """
import os, pathlib, tarfile
channel = pathlib.Path(os.environ["SM_CHANNEL_MODEL"])
with tarfile.open(channel / "model.tar.gz") as tar:
    for member in tar:
        pathlib.Path(os.environ["SM_MODEL_DIR"], member.name).write_bytes(tar.extractfile(member).read())
print("validation:accuracy=0.97")
"""


@pytest.fixture(scope="module")
def room(application: Application) -> Application:
    """A bucket with the shipped model, the program, and something that is no model."""
    s3 = application.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    shipped = (CHECKOUT / SHIPPED_MODEL).read_bytes()
    for key, body in (("base/model.tar.gz", shipped), ("bad/model.tar.gz", b"no model"), ("source.tar.gz", source())):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return application


@pytest.fixture(autouse=True)
def default_endpoint(application: Application) -> Iterator[None]:
    """What a test leaves is the endpoint as it was, for the tests that follow."""
    yield
    control = application.client("sagemaker")
    if control.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"] != f"{ENDPOINT}-shipped":
        control.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=f"{ENDPOINT}-shipped")
        settled(application, ENDPOINT)


def source() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(PROGRAM)
        tar.addfile(entry, io.BytesIO(PROGRAM.encode()))
    return stream.getvalue()


def training_request(name: str) -> dict[str, Any]:
    data = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/base/"}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:accuracy", "Regex": "validation:accuracy=([0-9.]+)"}],
        },
        "RoleArn": ROLE,
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{BUCKET}/source.tar.gz",
        },
        "InputDataConfig": [{"ChannelName": "model", "DataSource": {"S3DataSource": data}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/jobs"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 120},
    }


def configured(room: Application, name: str, address: str, **more: Any) -> str:
    """A model and a configuration of this name."""
    control = room.client("sagemaker")
    container = {"Image": IMAGE.replace("training", "inference"), "ModelDataUrl": address}
    control.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
    variants = [{**variant, "InstanceType": "ml.m5.xlarge"}]
    control.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **more)
    return name


def settled(room: Application, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = dict(room.client("sagemaker").describe_endpoint(EndpointName=name))
        if found["EndpointStatus"] in ("InService", "Failed"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_trained_model_is_served_updated_rolled_back_and_deleted(room: Application) -> None:
    """One thing after the other, with photos through the whole workflow all the while, none of which fails."""
    control = room.client("sagemaker")
    control.create_training_job(**training_request("workflow"))
    control.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName="workflow", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    job = control.describe_training_job(TrainingJobName="workflow")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["FinalMetricDataList"][0]["Value"] == pytest.approx(0.97)
    address = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert "validation:accuracy=0.97" in room.logs("/aws/sagemaker/TrainingJobs")

    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captured",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    canary = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": 60,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 25},
            }
        }
    }
    configured(room, "second", address, DataCaptureConfig=capture)
    configured(room, "worse", f"s3://{BUCKET}/bad/model.tar.gz")
    uploads: dict[str, str] = {}
    answers: list[str] = []
    stop = threading.Event()
    runtime = room.client("sagemaker-runtime")

    def upload_for_ever() -> None:
        while not stop.is_set():
            key = f"uploads/flow/{len(uploads)}.jpg"
            uploads[key] = room.upload(key, picture())
            time.sleep(0.2)

    def invoke_for_ever() -> None:
        while not stop.is_set():
            answer = runtime.invoke_endpoint(EndpointName=ENDPOINT, ContentType="image/jpeg", Body=picture())
            assert len(json.loads(answer["Body"].read())) == 2
            answers.append(answer["InvokedProductionVariant"])

    pool = ThreadPoolExecutor(3)
    flows = [pool.submit(upload_for_ever), pool.submit(invoke_for_ever), pool.submit(invoke_for_ever)]
    try:
        control.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="second", DeploymentConfig=canary)
        second = settled(room, ENDPOINT)
        control.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="worse")
        rolled_back = settled(room, ENDPOINT)
    finally:
        stop.set()
        pool.shutdown()

    assert (second["EndpointStatus"], second["EndpointConfigName"]) == ("InService", "second")
    assert rolled_back["EndpointConfigName"] == "second"
    assert "did not pass the ping health check" in rolled_back["FailureReason"]
    # Whatever failed in one of them is raised here.
    assert [flow.result() for flow in flows] == [None] * 3
    assert len(answers) > 50
    records = [room.record(key, version) for key, version in uploads.items()]
    assert len(records) > 5
    assert {record["outcome"] for record in records if record} <= {"CLASSIFIED", "NEEDS_REVIEW"}
    assert sum(captured(room, ENDPOINT).values()) > 0
    control.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=f"{ENDPOINT}-shipped")
    settled(room, ENDPOINT)


def picture() -> bytes:
    """A small photo, a new one each time."""
    stream = io.BytesIO()
    colour = (int(time.time() * 1000) % 256, 100, 50)
    Image.new("RGB", (64, 64), colour).save(stream, "JPEG")
    return stream.getvalue()


def captured(room: Application, endpoint: str) -> dict[str, int]:
    """How many records each captured file has."""
    sagemaker.flush(room.aws.state_dir)
    s3 = room.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"captured/{endpoint}/AllTraffic/").get("Contents", [])
    bodies = {entry["Key"]: s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in found}
    records = {key: [json.loads(line) for line in body.splitlines()] for key, body in bodies.items()}
    for lines in records.values():
        for line in lines:
            assert line["captureData"]["endpointInput"]["observedContentType"] == "image/jpeg"
            assert len(json.loads(line["captureData"]["endpointOutput"]["data"])) == 2
    return {key: len(lines) for key, lines in records.items()}


def test_an_endpoint_of_its_own_is_created_invoked_and_deleted(room: Application) -> None:
    """By name through the runtime; after its deletion the runtime knows it no more."""
    control, runtime = room.client("sagemaker"), room.client("sagemaker-runtime")
    configured(room, "own", f"s3://{BUCKET}/base/model.tar.gz")
    control.create_endpoint(EndpointName="own", EndpointConfigName="own")
    assert settled(room, "own")["EndpointStatus"] == "InService"

    answer = runtime.invoke_endpoint(EndpointName="own", ContentType="image/jpeg", Body=picture())
    control.delete_endpoint(EndpointName="own")

    assert len(json.loads(answer["Body"].read())) == 2
    with pytest.raises(ClientError, match="Endpoint own of account 000000000000 not found"):
        runtime.invoke_endpoint(EndpointName="own", ContentType="image/jpeg", Body=picture())


def workflow_role(room: Application) -> str:
    """A role that Step Functions may take and that may do anything in SageMaker."""
    iam = room.client("iam")
    principal = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": ["sagemaker:*", "iam:PassRole"], "Resource": "*"}
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        trust = json.dumps({"Version": "2012-10-17", "Statement": [principal]})
        iam.create_role(RoleName="workflow-trains", AssumeRolePolicyDocument=trust)
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
        iam.put_role_policy(RoleName="workflow-trains", PolicyName="sagemaker", PolicyDocument=policy)
    return str(iam.get_role(RoleName="workflow-trains")["Role"]["Arn"])


def run_machine(room: Application, name: str, states: dict[str, Any]) -> dict[str, Any]:
    """A state machine of the test's own, run to its end."""
    client, role = room.client("stepfunctions"), workflow_role(room)
    definition = {"StartAt": next(iter(states)), "States": states}
    arn = client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)["stateMachineArn"]
    return room.finished(client.start_execution(stateMachineArn=arn, input="{}")["executionArn"])


def test_a_workflow_trains_and_deploys_through_its_tasks(room: Application) -> None:
    """`.sync` waits for the job and gives its description; the SDK's form reaches the same service."""
    model = {"ModelName": "task", "ExecutionRoleArn": ROLE}
    container = {"Image": IMAGE, "ModelDataUrl.$": "$.ModelArtifacts.S3ModelArtifacts"}
    states = {
        "Train": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Parameters": training_request("task"),
            "Next": "Model",
        },
        "Model": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createModel",
            "Parameters": {**model, "PrimaryContainer": container},
            "Next": "Look",
        },
        "Look": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sagemaker:describeModel",
            "Parameters": {"ModelName": "task"},
            "End": True,
        },
    }

    found = run_machine(room, "train", states)

    assert found["status"] == "SUCCEEDED", found
    output = json.loads(found["output"])
    assert output["PrimaryContainer"]["ModelDataUrl"] == f"s3://{BUCKET}/jobs/task/output/model.tar.gz"


def test_a_failed_job_or_call_fails_its_task_under_awss_names(room: Application) -> None:
    """So Catch and Retry by name work here as in AWS."""
    request = training_request("task-failed")
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{BUCKET}/nothing/"
    sync = "arn:aws:states:::sagemaker:createTrainingJob.sync"
    task = {"Type": "Task", "Resource": sync, "Parameters": request, "End": True}
    failed = run_machine(room, "fail", {"Train": task})
    again = run_machine(room, "again", {"Train": task})
    missing = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sagemaker:describeModel", "End": True}
    absent = run_machine(room, "absent", {"Look": {**missing, "Parameters": {"ModelName": "nobody"}}})

    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert "No S3 objects found" in json.loads(failed["cause"])["FailureReason"]
    assert again["error"] == "SageMaker.ResourceInUseException"
    assert (absent["status"], absent["error"].split(".")[0]) == ("FAILED", "SageMaker")
    assert "Could not find model" in absent["cause"]


def test_one_address_is_enough_for_all_of_it(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `AWS_ENDPOINT_URL` alone, boto3 finds buckets and workflows, SageMaker, its endpoints and their scaling."""
    values = application.aws.environment()
    assert [name for name in values if name.startswith("AWS_ENDPOINT_URL")] == ["AWS_ENDPOINT_URL"]
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    runtime, scaling = session.client("sagemaker-runtime"), session.client("application-autoscaling")
    endpoint = {"EndpointName": ENDPOINT, "ContentType": "image/jpeg"}
    bicycle = next(sample.content for sample in samples.of() if sample.label == "bicycle")
    of_variant = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{ENDPOINT}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }

    answer = runtime.invoke_endpoint(**endpoint, Body=bicycle)
    with pytest.raises(runtime.exceptions.ModelError) as unreadable:
        runtime.invoke_endpoint(**endpoint, Body=bytes(range(256)))
    with pytest.raises(ClientError) as too_large:
        runtime.invoke_endpoint(**endpoint, Body=b"\xff" * (MAX_PAYLOAD_BYTES + 1))
    scaling.register_scalable_target(**of_variant, MinCapacity=1, MaxCapacity=2)
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    scaling.deregister_scalable_target(**of_variant)

    assert len(json.load(answer["Body"])) == 2
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert dict(unreadable.value.response)["OriginalStatusCode"] == 400
    assert too_large.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert target["MaxCapacity"] == 2
    assert session.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "InService"
    assert application.bucket in [each["Name"] for each in session.client("s3").list_buckets()["Buckets"]]
    assert session.client("stepfunctions").list_state_machines()["stateMachines"]
    assert session.client("events").list_event_buses()["EventBuses"]


def test_everything_is_part_of_the_local_aws(application: Application) -> None:
    """Its status names the control plane, too."""
    found = stack.status(application.aws.state_dir)

    assert found.up
    assert found.parts["sagemaker_control"].url
    assert Path(f"/proc/{found.parts['sagemaker_control'].pid}").exists()
