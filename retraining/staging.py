"""The first step: look whether to retrain, put the reviewed pictures beside the training data, and write the job.

Nothing is kept in a database of its own. A run's training job carries in its name when it was staged, so what is new,
how long ago the last run was and what this month has cost is asked of SageMaker and S3.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lifecycle import jobs, registry
from lifecycle.images import OWN
from lifecycle.registry import Version
from lifecycle.site import VARIANT, Aws, Site, clipped, digest
from monitoring import labels
from retraining import gates
from retraining.gates import Counts, HeldBack, Past
from retraining.settings import StackParameters
from vehiclevision.storage import listed

REVIEWED: Final = "reviewed"
HELD_OUT: Final = "heldout"
CHAMPION: Final = "champion"
# Below the prefix that training jobs may read.
DATASETS: Final = "training-data/reviewed/"
COPIES_AT_ONCE: Final = 10
RUN_TAG: Final = "vehiclevision:retraining"
# What training/compare.py prints.
METRICS: Final = (
    "accepted",
    "reviewed_pictures",
    "reviewed_cost_champion",
    "reviewed_cost_challenger",
    "reviewed_p_better",
    "base_cost_champion",
    "base_cost_challenger",
    "base_p_worse",
)
_STAMP: Final = "%Y%m%d-%H%M%S"
_LONGEST_APPLICATION: Final = 30


@dataclass(frozen=True)
class Trigger:
    """The execution that asks."""

    execution: str
    state_machine: str
    began: datetime

    @property
    def until(self) -> datetime:
        """Labels count up to here: the run's name keeps whole seconds, as S3 does."""
        return (self.began + timedelta(microseconds=999_999)).replace(microsecond=0)


@dataclass(frozen=True)
class Picture:
    """A reviewed picture in the upload bucket."""

    key: str
    label: str
    digest: str
    asked: bool
    suffix: str
    given: datetime


@dataclass(frozen=True)
class Live:
    """What the endpoint serves: its artefact, and the registered version if it is one."""

    model_url: str
    image: str
    version: Version | None


def stage(settings: StackParameters, aws: Aws, trigger: Trigger) -> dict[str, Any]:
    """Why not to go on, or the training job as SageMaker is to be asked for it, as the state machine reads it.

    Then its pictures are put beside the training data.
    """
    site = settings.site
    past, pictures = list(past_runs(aws)), reviewed(aws, settings.upload_bucket, trigger.until)
    counts = count(pictures, gates.since(past))
    live = serving(settings, aws)
    reason = gates.held_back(settings, past, counts, list(running_before(aws, trigger)), trigger.began) or _unfit(live)
    if reason is not None or live is None:
        reason = reason or HeldBack(gates.NO_CHAMPION, "There is no endpoint.")
        return {"go": False, "code": reason.code, "reason": reason.words, "labels": counts.as_json()}
    name = run_name(site, trigger)
    dataset = put_dataset(settings, aws, name, pictures)
    job = job_request(settings, name, dataset, live.model_url)
    return {"go": True, "labels": counts.as_json(), "dataset": dataset, "training_job": job}


# ---- what was before -------------------------------------------------------------------------------------------------


def stem(site: Site) -> str:
    """How the names of all runs' jobs begin."""
    return f"{clipped(site.application, _LONGEST_APPLICATION)}-retrain"


def run_name(site: Site, trigger: Trigger) -> str:
    """The run's training job: when it was staged, and a mark of its execution."""
    return f"{stem(site)}-{trigger.until.astimezone(UTC).strftime(_STAMP)}-{digest(trigger.execution)[:6]}"


def staged_at(name: str) -> datetime | None:
    """When a run was staged, by its job's name; None if the name is no run's."""
    stamped = re.search(r"-retrain-(\d{8}-\d{6})-[0-9a-f]{6}$", name)
    return datetime.strptime(stamped[1], _STAMP).replace(tzinfo=UTC) if stamped else None


def past_runs(aws: Aws) -> Iterator[Past]:
    """The earlier runs' training jobs, newest first."""
    sagemaker = aws.client("sagemaker")
    own = {"NameContains": f"{stem(aws.site)}-", "SortBy": "CreationTime", "SortOrder": "Descending"}
    for job in listed(sagemaker, "list_training_jobs", "TrainingJobSummaries", **own):
        name = str(job["TrainingJobName"])
        moment = staged_at(name) if name.startswith(stem(aws.site)) else None
        if moment is None:
            continue
        described = sagemaker.describe_training_job(TrainingJobName=name)
        completed = described["TrainingJobStatus"] == "Completed"
        yield Past(name, moment, completed, float(described.get("BillableTimeInSeconds", 0)))


def running_before(aws: Aws, trigger: Trigger) -> Iterator[str]:
    """Runs on their way that began before this one; of two that began at once, the one whose name comes first."""
    own = (trigger.began, trigger.execution)
    running = {"stateMachineArn": trigger.state_machine, "statusFilter": "RUNNING"}
    for execution in listed(aws.client("stepfunctions"), "list_executions", "executions", **running):
        if (execution["startDate"], execution["executionArn"]) < own:
            yield str(execution["name"])


# ---- reviewed pictures -----------------------------------------------------------------------------------------------


def reviewed(aws: Aws, bucket: str, until: datetime) -> list[Picture]:
    """The reviewed pictures of then, each under the label that it was given last."""
    latest: dict[str, Picture] = {}
    for entry in listed(aws.client("s3"), "list_objects_v2", "Contents", Bucket=bucket, Prefix=labels.PREFIX):
        name = labels.parse(entry["Key"])
        if name is None or entry["LastModified"] > until:
            continue
        picture = Picture(entry["Key"], *name, entry["LastModified"])
        before = latest.get(picture.digest)
        if before is None or before.given <= picture.given:
            latest[picture.digest] = picture
    return sorted(latest.values(), key=lambda picture: picture.digest)


def learnt(pictures: Sequence[Picture]) -> list[Picture]:
    """Those that a model may learn from."""
    return [picture for picture in pictures if not labels.held_out(picture.digest)]


def held_out(pictures: Sequence[Picture]) -> list[Picture]:
    """Those that decide: never learnt from, and put up for review without regard to whether the answer was right."""
    return [picture for picture in pictures if labels.held_out(picture.digest) and not picture.asked]


def count(pictures: Sequence[Picture], after: datetime | None) -> Counts:
    """How many there are of each."""
    return Counts(
        sum(after is None or picture.given > after for picture in pictures),
        Counter(picture.label for picture in learnt(pictures)),
        Counter(picture.label for picture in held_out(pictures)),
    )


def put_dataset(settings: StackParameters, aws: Aws, name: str, pictures: Sequence[Picture]) -> dict[str, str]:
    """Copy the pictures beside the training data, under the run's own prefix; where each channel is."""
    site, s3 = settings.site, aws.client("s3")
    parts = {REVIEWED: learnt(pictures), HELD_OUT: held_out(pictures)}
    prefixes = {channel: f"{DATASETS}{name}/{channel}/" for channel in parts}

    def copy(one: tuple[str, Picture]) -> None:
        channel, picture = one
        s3.copy_object(
            Bucket=site.bucket,
            Key=f"{prefixes[channel]}{picture.label}/{picture.digest}{picture.suffix}",
            CopySource={"Bucket": settings.upload_bucket, "Key": picture.key},
        )

    with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
        list(pool.map(copy, [(channel, picture) for channel, chosen in parts.items() for picture in chosen]))
    record = {channel: [picture.key for picture in chosen] for channel, chosen in parts.items()}
    s3.put_object(
        Bucket=site.bucket,
        Key=f"{DATASETS}{name}/dataset.json",
        Body=json.dumps({"bucket": settings.upload_bucket, **record}, indent=1).encode(),
        ContentType="application/json",
    )
    return {channel: site.s3(prefix) for channel, prefix in prefixes.items()}


# ---- the champion and the job ----------------------------------------------------------------------------------------


def serving(settings: StackParameters, aws: Aws) -> Live | None:
    """What the endpoint serves now; None where there is no endpoint at rest."""
    endpoint = registry.described_or_none(aws, "describe_endpoint", EndpointName=aws.site.endpoint)
    if endpoint is None or endpoint["EndpointStatus"] != "InService":
        return None
    config = aws.client("sagemaker").describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    variants = {each["VariantName"]: each for each in config["ProductionVariants"]}
    variant = variants.get(VARIANT, config["ProductionVariants"][0])
    model = aws.client("sagemaker").describe_model(ModelName=variant["ModelName"])
    package = model.get("PrimaryContainer", {}).get("ModelPackageName")
    if package is None:
        return Live(settings.champion_model, settings.serving_image, None)
    version = registry.describe(aws, package)
    return Live(version.model_url, version.image, version)


def _unfit(live: Live | None) -> HeldBack | None:
    """Why the model that answers now cannot be compared with."""
    if live is None:
        return HeldBack(
            gates.NO_CHAMPION, "The endpoint is not in service, so there is nothing to compare a new model with."
        )
    if live.version is not None and live.version.algorithm != OWN:
        return HeldBack(
            gates.NO_CHAMPION,
            f"The endpoint serves a model of {live.version.algorithm}, which only its own container can run. "
            "Deploy one that `own` trained first.",
        )
    if not live.model_url:
        return HeldBack(
            gates.NO_CHAMPION,
            "What the endpoint serves is no registered version. Deploy one: vehiclevision sagemaker deploy --latest",
        )
    return None


def job_request(settings: StackParameters, name: str, dataset: Mapping[str, str], champion: str) -> dict[str, Any]:
    """CreateTrainingJob: our own training, with the reviewed pictures, those held out, and the champion."""
    site = settings.site
    training = jobs.Training(
        algorithm=OWN,
        data=jobs.Data(settings.training_data, settings.training_data_hash, {}),
        image=settings.training_image,
        source=settings.training_source,
        quick=settings.quick,
        instance_type=settings.instance_type,
        settings={
            "threshold": json.dumps(settings.threshold),
            "sure-share": json.dumps(labels.SURE_SHARE),
            "least": json.dumps(settings.least_held_out),
        },
    )
    request = dict(jobs.training_job(site, training).parameters)
    algorithm = dict(request["AlgorithmSpecification"])
    algorithm["MetricDefinitions"] = [*algorithm["MetricDefinitions"], *metric_definitions()]
    channels = [*(jobs.channel(channel, uri) for channel, uri in dataset.items()), jobs.channel(CHAMPION, champion)]
    return {
        **request,
        "TrainingJobName": name,
        "AlgorithmSpecification": algorithm,
        "InputDataConfig": [*request["InputDataConfig"], *channels],
        "CheckpointConfig": {"S3Uri": site.s3(f"checkpoints/{name}"), "LocalPath": jobs.CHECKPOINTS},
        "Tags": [*request["Tags"], {"Key": RUN_TAG, "Value": name}],
    }


def metric_definitions() -> list[dict[str, str]]:
    """The comparison's figures, as SageMaker finds them in the job's log."""
    return [
        {"Name": f"comparison:{name}", "Regex": rf"comparison:{name}=([-+0-9.e]+)"} for name in METRICS
    ]  # fmt: skip
