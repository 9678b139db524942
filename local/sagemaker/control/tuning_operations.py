"""CreateHyperParameterTuningJob and its like."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from local.sagemaker.control import tuning
from local.sagemaker.control.errors import ServiceError, invalid
from local.sagemaker.control.listing import Listing, cut
from local.sagemaker.control.names import TUNING_JOB, arn, key, now
from local.sagemaker.control.resource import Resource
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record, without_tags
from local.sagemaker.control.training import ENDED
from local.sagemaker.control.training_operations import check as check_training_job

TUNING = Resource(
    TUNING_JOB,
    "HyperParameterTuningJobName",
    Listing("HyperParameterTuningJobSummaries", "HyperParameterTuningJobName", "HyperParameterTuningJobStatus"),
    unknown="Amazon SageMaker can't find a tuning job called {name}. Type another name.",
    taken="A hyperparameter tuning job with the name, {name}, already exists. Choose a different name.",
    unknown_code="ResourceNotFound",
    taken_code="ResourceInUse",
)
JOBS = Listing("TrainingJobSummaries", "TrainingJobName", "TrainingJobStatus")
STRATEGIES = ("Random", "Grid", "Bayesian")
MAX_JOBS, MAX_TOGETHER = 750, 10


def create(service: Service, request: Request) -> Mapping[str, Any]:
    """CreateHyperParameterTuningJob. Bayesian draws at random here, as it does in AWS for the first jobs."""
    name, moment = request["HyperParameterTuningJobName"], now()
    job = arn(TUNING_JOB, name)
    _check(request, job)
    record = {
        **without_tags(request),
        "HyperParameterTuningJobArn": job,
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": moment,
        "LastModifiedTime": moment,
    }
    answer = TUNING.add(service, request, record)
    service.tuning.launch(name)
    return answer


def _check(request: Request, job: str) -> None:
    config = request["HyperParameterTuningJobConfig"]
    if "TrainingJobDefinition" not in request or "WarmStartConfig" in request or "Autotune" in request:
        raise invalid(
            "The local SageMaker needs one TrainingJobDefinition, and knows neither WarmStartConfig nor Autotune."
        )
    if config["Strategy"] not in STRATEGIES:
        raise invalid(f"The local SageMaker knows the strategies {', '.join(STRATEGIES)}, not {config['Strategy']}.")
    if "HyperParameterTuningJobObjective" not in config:
        raise invalid("HyperParameterTuningJobObjective is required.")
    ranges = config.get("ParameterRanges", {})
    if not any(ranges.values()):
        raise invalid("At least one parameter range is required in ParameterRanges.")
    _check_ranges(config, ranges)
    limits = config["ResourceLimits"]
    if limits.get("MaxNumberOfTrainingJobs", 1) > MAX_JOBS or limits["MaxParallelTrainingJobs"] > MAX_TOGETHER:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"At most {MAX_JOBS} training jobs for a tuning job, and at most {MAX_TOGETHER} at a time.",
        )
    record = {**request, "HyperParameterTuningJobArn": job, "CreationTime": 0}
    check_training_job(tuning.training_request(record, 1))
    definitions = request["TrainingJobDefinition"]["AlgorithmSpecification"].get("MetricDefinitions", [])
    objective = config["HyperParameterTuningJobObjective"]["MetricName"]
    if objective not in [each["Name"] for each in definitions]:
        raise invalid(f"The objective metric {objective} is not among the MetricDefinitions of the training job.")


def _check_ranges(config: Mapping[str, Any], ranges: Mapping[str, Any]) -> None:
    numbers = [*ranges.get("IntegerParameterRanges", []), *ranges.get("ContinuousParameterRanges", [])]
    if config["Strategy"] == "Grid":
        if numbers:
            raise invalid("The Grid strategy takes CategoricalParameterRanges only.")
    elif "MaxNumberOfTrainingJobs" not in config["ResourceLimits"]:
        raise invalid("MaxNumberOfTrainingJobs is required in ResourceLimits.")
    for each in numbers:
        try:
            low, high = float(each["MinValue"]), float(each["MaxValue"])
        except ValueError as error:
            raise invalid(f"MinValue and MaxValue of {each['Name']} must be numbers.") from error
        scaling = each.get("ScalingType", "Auto")
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise invalid(f"MinValue of {each['Name']} must not be greater than its MaxValue.")
        if scaling == "Logarithmic" and low <= 0:
            raise invalid(f"Logarithmic scaling of {each['Name']} needs a MinValue greater than 0.")
        if scaling == "ReverseLogarithmic" and not (low >= 0 and high < 1):
            raise invalid(f"ReverseLogarithmic scaling of {each['Name']} needs values from 0 to less than 1.")


def describe(service: Service, request: Request) -> Mapping[str, Any]:
    """DescribeHyperParameterTuningJob."""
    return _described(service, TUNING.existing(service, request[TUNING.name]))


def _described(service: Service, record: Record) -> dict[str, Any]:
    jobs = tuning.children(service.store, record)
    statuses = Counter(job["TrainingJobStatus"] for job in jobs)
    objectives = Counter(_objective_status(record, job) for job in jobs)
    winner = tuning.best(record, jobs)
    config = record["HyperParameterTuningJobConfig"]
    return {
        **record,
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
        "TrainingJobStatusCounters": {
            "Completed": statuses["Completed"],
            "InProgress": statuses["InProgress"] + statuses["Stopping"],
            "RetryableError": 0,
            "NonRetryableError": statuses["Failed"],
            "Stopped": statuses["Stopped"],
        },
        "ObjectiveStatusCounters": {name: objectives[name] for name in ("Succeeded", "Pending", "Failed")},
        **({"BestTrainingJob": _summary(record, winner)} if winner is not None else {}),
        "ConsumedResources": {"RuntimeInSeconds": sum(job.get("TrainingTimeInSeconds", 0) for job in jobs)},
    }


def _objective_status(record: Record, job: Record) -> str:
    if job["TrainingJobStatus"] not in ENDED:
        return "Pending"
    is_known = job["TrainingJobStatus"] == "Completed" and tuning.objective_value(record, job) is not None
    return "Succeeded" if is_known else "Failed"


def _summary(record: Record, job: Record) -> dict[str, Any]:
    value, objective = tuning.objective_value(record, job), tuning.objective(record)
    metric = {"Type": objective["Type"], "MetricName": objective["MetricName"], "Value": value}
    return {
        **job,
        "TuningJobName": record["HyperParameterTuningJobName"],
        "TunedHyperParameters": job["_tuned"],
        "ObjectiveStatus": _objective_status(record, job),
        **({"FinalHyperParameterTuningJobObjectiveMetric": metric} if value is not None else {}),
    }


def list_tuning_jobs(service: Service, request: Request) -> Mapping[str, Any]:
    """ListHyperParameterTuningJobs."""
    listed, answer = TUNING.list(service, request), TUNING.listing.answer
    return {**listed, answer: [_described(service, record) for record in listed[answer]]}


def list_training_jobs(service: Service, request: Request) -> Mapping[str, Any]:
    """ListTrainingJobsForHyperParameterTuningJob."""
    record = TUNING.existing(service, request[TUNING.name])
    status = request.get("StatusEquals")
    jobs = [job for job in tuning.children(service.store, record) if status in (None, job["TrainingJobStatus"])]
    sign = 1 if tuning.objective(record)["Type"] == "Maximize" else -1

    def place(job: Record) -> Any:
        match request.get("SortBy", "Name"):
            case "FinalObjectiveMetricValue":
                value = tuning.objective_value(record, job)
                # The best comes first in the order that is usual for this list.
                return -math.inf if value is None else sign * value
            case "Status":
                return job["TrainingJobStatus"]
            case "CreationTime":
                return job["CreationTime"]
        return ""

    usual = "Descending" if request.get("SortBy") == "FinalObjectiveMetricValue" else "Ascending"
    answer = cut({"SortOrder": usual, **request}, jobs, JOBS, place)
    return {**answer, JOBS.answer: [_summary(record, job) for job in answer[JOBS.answer]]}


def stop(service: Service, request: Request) -> Mapping[str, Any]:
    """StopHyperParameterTuningJob."""
    with service.store.lock:
        record = TUNING.existing(service, request[TUNING.name])
        if record["HyperParameterTuningJobStatus"] == "InProgress":
            name = key(request["HyperParameterTuningJobName"])
            service.store.change(TUNING_JOB, name, HyperParameterTuningJobStatus="Stopping", LastModifiedTime=now())
    return {}


def delete(service: Service, request: Request) -> Mapping[str, Any]:
    """DeleteHyperParameterTuningJob; its training jobs stay."""
    with service.store.lock:
        record = service.store.get(TUNING_JOB, key(request["HyperParameterTuningJobName"]))
        if record is None:
            return {}
        if record["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
            raise ServiceError("ResourceInUse", "The tuning job is in progress and cannot be deleted: stop it first.")
        TUNING.remove(service, record)
    return {}


OPERATIONS: dict[str, Operation] = TUNING.operations(
    CreateHyperParameterTuningJob=create,
    DescribeHyperParameterTuningJob=describe,
    ListHyperParameterTuningJobs=list_tuning_jobs,
    ListTrainingJobsForHyperParameterTuningJob=list_training_jobs,
    StopHyperParameterTuningJob=stop,
    DeleteHyperParameterTuningJob=delete,
)
