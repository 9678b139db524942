"""Tuning jobs of the local SageMaker run their training jobs and find the best."""

from typing import Any

from local.sagemaker.control.tuning import draw
from tests.unit.local.sagemaker.bench import Plane, refused, training_request, wait_for

PROGRAM = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--layers", type=int)
parser.add_argument("--kind")
parser.add_argument("--fixed")
options = parser.parse_args()
assert options.fixed == "yes"
print(f"validation:accuracy={1 - abs(options.rate - 0.5)}")
"""
RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "rate", "MinValue": "0.01", "MaxValue": "0.9", "ScalingType": "Logarithmic"}
    ],
    "IntegerParameterRanges": [{"Name": "layers", "MinValue": "2", "MaxValue": "4"}],
    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
}


def tuning_request(name: str, source: str, **changes: Any) -> dict[str, Any]:
    job = training_request("x", source)
    algorithm = {
        **job["AlgorithmSpecification"],
        "MetricDefinitions": [{"Name": "validation:accuracy", "Regex": "validation:accuracy=(.*)"}],
    }
    config = {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:accuracy"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": RANGES,
        "RandomSeed": 7,
        **changes,
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {
            "AlgorithmSpecification": algorithm,
            "RoleArn": job["RoleArn"],
            "OutputDataConfig": job["OutputDataConfig"],
            "ResourceConfig": job["ResourceConfig"],
            "StoppingCondition": job["StoppingCondition"],
            "StaticHyperParameters": {**job["HyperParameters"], "fixed": "yes"},
        },
    }


def tuned(plane: Plane, name: str) -> dict[str, Any]:
    def ended() -> Any:
        found = plane.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        together.append(found["TrainingJobStatusCounters"]["InProgress"])
        return found["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping") and found

    together: list[int] = []
    found = dict(wait_for(ended))
    found["together"] = max(together)
    return found


def test_the_best_of_the_jobs_is_found_by_its_log(plane: Plane) -> None:
    """As many jobs as asked for run, no more at a time than allowed, each with values within its ranges."""
    source = plane.program("tuned", PROGRAM)
    plane.sagemaker.create_hyper_parameter_tuning_job(**tuning_request("tuned", source))

    found = tuned(plane, "tuned")

    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 4
    assert found["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert found["together"] <= 2
    jobs = plane.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tuned", SortBy="FinalObjectiveMetricValue"
    )["TrainingJobSummaries"]
    values = [job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for job in jobs]
    assert values == sorted(values, reverse=True)
    assert found["BestTrainingJob"]["TrainingJobName"] == jobs[0]["TrainingJobName"]
    for job in jobs:
        own = job["TunedHyperParameters"]
        assert 0.01 <= float(own["rate"]) <= 0.9
        assert 2 <= int(own["layers"]) <= 4
        assert own["kind"] in ("a", "b")
        assert plane.job(job["TrainingJobName"])["TuningJobArn"] == found["HyperParameterTuningJobArn"]
    listed = plane.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="tuned")["HyperParameterTuningJobSummaries"]
    assert listed[0]["TrainingJobStatusCounters"]["Completed"] == 4
    with refused("ResourceInUse", "A hyperparameter tuning job with the name, tuned, already exists."):
        plane.sagemaker.create_hyper_parameter_tuning_job(**tuning_request("tuned", source))


def test_a_seed_draws_the_same_values_again() -> None:
    """So a tuning job that was cut off goes on as it would have."""
    record = {**tuning_request("x", "s3://a/b"), "HyperParameterTuningJobArn": "arn"}

    assert [draw(record, number) for number in (1, 2, 3)] == [draw(record, number) for number in (1, 2, 3)]
    assert draw(record, 1) != draw(record, 2)


def test_a_grid_runs_every_combination_once() -> None:
    """Its size is the product of the values."""
    ranges = {"CategoricalParameterRanges": [{"Name": "a", "Values": ["1", "2"]}, {"Name": "b", "Values": ["x", "y"]}]}
    record = tuning_request("x", "s3://a/b", Strategy="Grid", ParameterRanges=ranges)

    found = [tuple(draw(record, number).values()) for number in range(1, 5)]

    assert sorted(found) == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]


def test_a_tuning_job_whose_jobs_all_fail_has_failed(plane: Plane) -> None:
    """With SageMaker's sentence."""
    source = plane.program("all-fail", "import sys; sys.exit(1)")
    limits = {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2}
    plane.sagemaker.create_hyper_parameter_tuning_job(**tuning_request("all-fail", source, ResourceLimits=limits))

    found = tuned(plane, "all-fail")

    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("All training jobs have failed.")
    assert "BestTrainingJob" not in found


def test_a_stopped_tuning_job_stops_its_jobs(plane: Plane) -> None:
    """And starts no further ones."""
    source = plane.program("tuning-stopped", "import time\nprint('ready')\nwhile True: time.sleep(0.05)")
    plane.sagemaker.create_hyper_parameter_tuning_job(**tuning_request("halted", source))
    jobs = wait_for(
        lambda: plane.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="halted")[
            "TrainingJobSummaries"
        ]
    )
    plane.running(jobs[0]["TrainingJobName"])

    plane.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="halted")
    found = tuned(plane, "halted")

    assert found["HyperParameterTuningJobStatus"] == "Stopped"
    assert found["TrainingJobStatusCounters"]["Stopped"] == sum(found["TrainingJobStatusCounters"].values()) == 2


def test_what_cannot_be_tuned_is_refused(plane: Plane) -> None:
    """Ranges, limits and the objective are looked at before anything runs."""
    create, source = plane.sagemaker.create_hyper_parameter_tuning_job, "s3://models/x.tar.gz"
    integers = {"IntegerParameterRanges": [{"Name": "n", "MinValue": "9", "MaxValue": "1"}]}
    with refused("ValidationException", "MinValue of n must not be greater"):
        create(**tuning_request("refused", source, ParameterRanges=integers))
    with refused("ValidationException", "CategoricalParameterRanges only"):
        create(**tuning_request("refused", source, Strategy="Grid"))
    with refused("ValidationException", "not Hyperband"):
        create(**tuning_request("refused", source, Strategy="Hyperband"))
    with refused("ValidationException", "not among the MetricDefinitions"):
        objective = {"Type": "Minimize", "MetricName": "loss"}
        create(**tuning_request("refused", source, HyperParameterTuningJobObjective=objective))
    with refused("ValidationException", "At least one parameter range"):
        create(**tuning_request("refused", source, ParameterRanges={}))
    with refused("ResourceLimitExceeded", "at a time"):
        limits = {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 100}
        create(**tuning_request("refused", source, ResourceLimits=limits))
