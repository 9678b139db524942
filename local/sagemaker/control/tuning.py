"""Hyper-parameter tuning: really runs its training jobs, several at a time, and knows the best.

Values are drawn at random, or from a grid. A job's values depend on the seed and its number only, so a
tuning job that is cut off goes on as if it had not been.
"""

import hashlib
import itertools
import math
import random
import threading
import time
from collections.abc import Mapping
from typing import Any

from local.sagemaker.control.names import TRAINING_JOB, TUNING_JOB, key, now
from local.sagemaker.control.protocol import load_model
from local.sagemaker.control.settings import Settings
from local.sagemaker.control.store import Record, Store
from local.sagemaker.control.training import ENDED, TrainingJobs, new_record

POLL_SECONDS = 0.2
ALL_FAILED = "All training jobs have failed. Please take a look at the training jobs failures to get more details."


class TuningJobs:
    """Runs tuning jobs in the background."""

    def __init__(self, store: Store, training: TrainingJobs, settings: Settings) -> None:
        self._store = store
        self._training = training
        self._settings = settings

    def launch(self, name: str) -> None:
        """Run a tuning job whose record is there."""
        threading.Thread(target=self._run, args=(key(name),), daemon=True, name=f"tuning {name}").start()

    def resume(self) -> None:
        """Go on with the tuning jobs that the last stop cut off."""
        for record in self._store.all(TUNING_JOB):
            if record["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
                self.launch(record["HyperParameterTuningJobName"])

    def _run(self, name: str) -> None:
        while (record := self._store.get(TUNING_JOB, name)) is not None:
            jobs = children(self._store, record)
            running = [job for job in jobs if job["TrainingJobStatus"] not in ENDED]
            if record["HyperParameterTuningJobStatus"] == "Stopping":
                for job in running:
                    self._training.stop(job["TrainingJobName"])
                if not running:
                    self._finish(name, "Stopped")
                    return
            elif not self._launch_more(record, jobs, len(running)) and not running:
                failed = jobs and all(job["TrainingJobStatus"] == "Failed" for job in jobs)
                self._finish(name, "Failed" if failed else "Completed", ALL_FAILED if failed else None)
                return
            time.sleep(POLL_SECONDS)

    def _launch_more(self, record: Record, jobs: list[Record], running: int) -> bool:
        """Start what may start now; whether more is to come after it."""
        limits = record["HyperParameterTuningJobConfig"]["ResourceLimits"]
        most, together = job_count(record), limits["MaxParallelTrainingJobs"]
        if reached_target(record, jobs):
            return False
        for number in range(len(jobs) + 1, min(most, len(jobs) + together - running) + 1):
            self._launch(record, number)
        return len(jobs) < most

    def _launch(self, record: Record, number: int) -> None:
        tuned, job = draw(record, number), training_request(record, number)
        with self._store.lock:
            current = self._store.get(TUNING_JOB, key(record["HyperParameterTuningJobName"]))
            if current is None or current["HyperParameterTuningJobStatus"] != "InProgress":
                return
            own = new_record(
                {**job, "HyperParameters": {**job["HyperParameters"], **tuned}},
                TuningJobArn=record["HyperParameterTuningJobArn"],
                _tuned=tuned,
                _number=number,
            )
            self._store.put(TRAINING_JOB, key(job["TrainingJobName"]), own)
        self._training.launch(job["TrainingJobName"])

    def _finish(self, name: str, status: str, reason: str | None = None) -> None:
        moment = now()
        self._store.change(
            TUNING_JOB,
            name,
            HyperParameterTuningJobStatus=status,
            HyperParameterTuningEndTime=moment,
            LastModifiedTime=moment,
            FailureReason=reason,
        )


def children(store: Store, record: Record) -> list[Record]:
    """The tuning job's training jobs in the order of their numbers."""
    arn = record["HyperParameterTuningJobArn"]
    jobs = [job for job in store.all(TRAINING_JOB) if job.get("TuningJobArn") == arn]
    return sorted(jobs, key=lambda job: int(job["_number"]))


def training_request(record: Record, number: int) -> dict[str, Any]:
    """The request for the training job of this number, without the tuned values."""
    definition, tuning = record["TrainingJobDefinition"], record["HyperParameterTuningJobName"]
    job: Any = load_model().shape_for("CreateTrainingJobRequest")
    digest = hashlib.sha256(f"{record['HyperParameterTuningJobArn']}{record['CreationTime']}{number}".encode())
    return {
        **{field: value for field, value in definition.items() if field in job.members},
        "TrainingJobName": f"{tuning}-{number:03d}-{digest.hexdigest()[:8]}",
        "HyperParameters": {
            **definition.get("StaticHyperParameters", {}),
            "_tuning_objective_metric": objective(record)["MetricName"],
        },
    }


def objective(record: Record) -> Mapping[str, Any]:
    """The metric that decides, and whether more is better."""
    return dict(record["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"])


def objective_value(record: Record, job: Record) -> float | None:
    """A training job's last value of the metric that decides."""
    for metric in job.get("FinalMetricDataList", []):
        if metric["MetricName"] == objective(record)["MetricName"]:
            return float(metric["Value"])
    return None


def best(record: Record, jobs: list[Record]) -> Record | None:
    """The training job with the best value, among those that completed."""
    scored = [
        (value, job)
        for job in jobs
        if job["TrainingJobStatus"] == "Completed" and (value := objective_value(record, job)) is not None
    ]
    if not scored:
        return None
    sign = 1 if objective(record)["Type"] == "Maximize" else -1
    return max(scored, key=lambda each: (sign * each[0], -int(each[1]["_number"])))[1]


def reached_target(record: Record, jobs: list[Record]) -> bool:
    """Whether a job is as good as TargetObjectiveMetricValue."""
    criteria = record["HyperParameterTuningJobConfig"].get("TuningJobCompletionCriteria", {})
    winner = best(record, jobs)
    if "TargetObjectiveMetricValue" not in criteria or winner is None:
        return False
    value, target = objective_value(record, winner) or 0.0, float(criteria["TargetObjectiveMetricValue"])
    return value >= target if objective(record)["Type"] == "Maximize" else value <= target


def ranges(record: Record) -> Mapping[str, Any]:
    """The ranges to draw from."""
    return dict(record["HyperParameterTuningJobConfig"].get("ParameterRanges", {}))


def job_count(record: Record) -> int:
    """How many training jobs there will be: a grid has as many as combinations."""
    config = record["HyperParameterTuningJobConfig"]
    if config["Strategy"] == "Grid":
        return math.prod(len(each["Values"]) for each in ranges(record).get("CategoricalParameterRanges", []))
    return int(config["ResourceLimits"]["MaxNumberOfTrainingJobs"])


def draw(record: Record, number: int) -> dict[str, str]:
    """The tuned values of the training job of this number."""
    config = record["HyperParameterTuningJobConfig"]
    categories = ranges(record).get("CategoricalParameterRanges", [])
    if config["Strategy"] == "Grid":
        combinations = itertools.product(*(each["Values"] for each in categories))
        values = next(itertools.islice(combinations, number - 1, None))
        return {each["Name"]: value for each, value in zip(categories, values, strict=True)}
    seed = config.get("RandomSeed", record["HyperParameterTuningJobArn"])
    # No secret is drawn here, and a seed must give the same values again.
    chance = random.Random(f"{seed}:{number}")  # noqa: S311
    drawn = {each["Name"]: chance.choice(each["Values"]) for each in categories}
    for each in ranges(record).get("ContinuousParameterRanges", []):
        drawn[each["Name"]] = repr(_drawn(chance, each))
    for each in ranges(record).get("IntegerParameterRanges", []):
        low, high = int(each["MinValue"]), int(each["MaxValue"])
        drawn[each["Name"]] = str(min(high, max(low, round(_drawn(chance, each)))))
    return drawn


def _drawn(chance: random.Random, span: Mapping[str, str]) -> float:
    low, high = float(span["MinValue"]), float(span["MaxValue"])
    match span.get("ScalingType", "Auto"):
        case "Logarithmic":
            value = math.exp(chance.uniform(math.log(low), math.log(high)))
        case "ReverseLogarithmic":
            value = 1 - math.exp(chance.uniform(math.log(1 - high), math.log(1 - low)))
        case _:
            value = chance.uniform(low, high)
    return min(high, max(low, value))
