"""CreateTrainingJob and its like."""

import re
from collections.abc import Mapping
from typing import Any

from local.sagemaker.control import script_mode, tags
from local.sagemaker.control.errors import ServiceError, invalid
from local.sagemaker.control.listing import Listing
from local.sagemaker.control.names import TRAINING_JOB
from local.sagemaker.control.resource import Resource
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record
from local.sagemaker.control.training import ENDED, SPOT_TAG, new_record

JOBS = Resource(
    TRAINING_JOB,
    "TrainingJobName",
    Listing("TrainingJobSummaries", "TrainingJobName", "TrainingJobStatus", "Ascending"),
    unknown="Requested resource not found.",
    taken="Training job names must be unique within an AWS account and region, "
    "and a training job with this name already exists ({arn})",
    taken_code="ResourceInUse",
)
# AWS's PyTorch training containers: their toolkit runs a script, and so can this machine.
SCRIPT_IMAGE = "pytorch-training"
BUILTIN_IMAGE = "image-classification"
MAX_RUNNING = 100
MAX_KEPT = 5_000


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateTrainingJob."""
    name = request["TrainingJobName"]
    check(request)
    with service.store.lock:
        JOBS.refuse_taken(service, name)
        known = service.store.all(TRAINING_JOB)
        running = sum(record["TrainingJobStatus"] not in ENDED for record in known)
        if running >= MAX_RUNNING:
            raise ServiceError(
                "ResourceLimitExceeded",
                f"The account-level service limit 'training jobs in progress' is {MAX_RUNNING} Instances, with current "
                f"utilization of {running} Instances and a request delta of 1 Instances.",
            )
        _forget_the_oldest(service, known)
        answer = JOBS.add(service, request, new_record(request))
    begin(service, name, request.get("Tags", []))
    return answer


def begin(service: Service, name: str, given: tags.Tags) -> None:
    """Run a job whose record is there."""
    service.training.launch(name)
    for each in given:
        if each["Key"] == SPOT_TAG:
            service.training.interrupt(name, _seconds(each["Value"]))


def check(request: Request) -> None:
    """Refuse what SageMaker would refuse, and what this machine cannot do, with a sentence."""
    for required in ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition"):
        if required not in request:
            raise invalid(f"1 validation error detected: {required} is required for a training job.")
    check_image(request["AlgorithmSpecification"])
    if not script_mode.program(request):
        raise invalid("HyperParameters lack sagemaker_program: the local SageMaker runs script mode and nothing else.")
    if not script_mode.is_s3(script_mode.source(request)):
        raise invalid("HyperParameters lack sagemaker_submit_directory, the s3:// address of a sourcedir.tar.gz.")
    for metric in request["AlgorithmSpecification"].get("MetricDefinitions", []):
        try:
            re.compile(metric["Regex"])
        except re.error as error:
            raise invalid(f"Invalid regular expression in MetricDefinitions: {metric['Name']}: {error}") from error
    if request["ResourceConfig"].get("InstanceCount", 1) != 1:
        raise invalid("The local SageMaker has one machine: ResourceConfig.InstanceCount must be 1.")
    if not script_mode.is_s3(request["OutputDataConfig"]["S3OutputPath"].rstrip("/") + "/x"):
        raise invalid(f"Invalid S3OutputPath {request['OutputDataConfig']['S3OutputPath']}: it must begin with s3://")
    _check_channels(request)
    _check_spot(request)


def check_image(algorithm: Mapping[str, Any]) -> None:
    """Only a container whose work this machine can do itself."""
    image = algorithm.get("TrainingImage", "")
    name = image.rsplit("/", 1)[-1].split(":")[0].split("@")[0]
    if name == BUILTIN_IMAGE:
        raise invalid(
            "SageMaker's built-in image classification runs only in its own container, which needs a GPU and is not "
            "available on this machine. Train here with `--algorithm own`, or run `--algorithm builtin` in AWS."
        )
    if SCRIPT_IMAGE not in name:
        raise invalid(
            f"The local SageMaker cannot run the container {image or algorithm.get('AlgorithmName', '')!r}: it runs "
            "scripts for AWS's pytorch-training images only. Train here with `--algorithm own`."
        )
    if algorithm.get("ContainerEntrypoint") or algorithm.get("ContainerArguments"):
        raise invalid("The local SageMaker runs script mode only: leave out ContainerEntrypoint and its arguments.")
    if algorithm.get("TrainingInputMode") == "Pipe":
        raise invalid("The local SageMaker has no Pipe mode: set TrainingInputMode to File.")


def _check_channels(request: Request) -> None:
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(set(names)) != len(names):
        raise invalid("Channel names in InputDataConfig must be unique.")
    if {".", ".."} & set(names):
        raise invalid("A channel's name must not be a dot or two.")
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] != "S3Prefix" or channel.get("CompressionType", "None") != "None":
            raise invalid(f"Channel {channel['ChannelName']}: here only plain files of an S3Prefix are read.")
        if channel.get("InputMode") == "Pipe":
            raise invalid(f"Channel {channel['ChannelName']}: the local SageMaker has no Pipe mode, use File.")
        if not source["S3Uri"].startswith("s3://"):
            raise invalid(f"Channel {channel['ChannelName']}: S3Uri must begin with s3://")


def _check_spot(request: Request) -> None:
    condition = request["StoppingCondition"]
    longest, runtime = condition.get("MaxWaitTimeInSeconds"), condition.get("MaxRuntimeInSeconds", 86_400)
    if not request.get("EnableManagedSpotTraining"):
        if longest is not None:
            raise invalid("MaxWaitTimeInSeconds can only be set when EnableManagedSpotTraining is true.")
    elif longest is None or longest < runtime:
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )


def _forget_the_oldest(service: Service, known: list[Record]) -> None:
    """Keep the number of records bounded; only jobs that ended are forgotten."""
    ended = [record for record in known if record["TrainingJobStatus"] in ENDED]
    for record in sorted(ended, key=lambda each: float(each["CreationTime"]))[: max(0, len(known) - MAX_KEPT + 1)]:
        JOBS.remove(service, record)


def stop(service: Service, request: Request) -> Mapping[str, Any]:
    """StopTrainingJob."""
    record = JOBS.existing(service, request["TrainingJobName"])
    if record["TrainingJobStatus"] in ENDED:
        raise invalid(f"The request was rejected because the training job is in status {record['TrainingJobStatus']}.")
    service.training.stop(request["TrainingJobName"])
    return {}


def delete(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteTrainingJob; only of a job that has ended."""
    with service.store.lock:
        record = JOBS.existing(service, request["TrainingJobName"])
        if record["TrainingJobStatus"] not in ENDED:
            raise ServiceError(
                "ResourceInUse", f"The training job is in status {record['TrainingJobStatus']} and cannot be deleted."
            )
        JOBS.remove(service, record)
    return {}


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


OPERATIONS: dict[str, Operation] = JOBS.operations(
    CreateTrainingJob=create, StopTrainingJob=stop, DeleteTrainingJob=delete
)
