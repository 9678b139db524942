"""Training and tuning jobs, as requests.

The built-in algorithm goes on from its published weights. Its own defaults (152 layers, learning rate 0.1, random
weights, no augmentation) are made for a million photos, and overfit thousands.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lifecycle.images import BUILTIN, OWN, on_gpu
from lifecycle.site import MAX_NAME, MAX_TUNING_NAME, Request, Site, clipped, digest

OBJECTIVE: Final = "validation:accuracy"
ENTRY: Final = "entry.py"
CHECKPOINTS: Final = "/opt/ml/checkpoints"
CHANNEL: Final = "training"
# What entry.py prints when a run is done. The built-in algorithm's metrics are known to SageMaker.
OWN_METRICS: Final = [{"Name": OBJECTIVE, "Regex": r"validation:accuracy=([0-9.]+)"}]
DEFAULT_INSTANCES: Final = {OWN: "ml.m5.xlarge", BUILTIN: "ml.g4dn.xlarge"}
MAX_HOURS: Final = 6
# A wait for spot capacity of that much beside the run itself.
SPOT_WAIT_HOURS: Final = 4
VOLUME_GB: Final = 30


@dataclass(frozen=True)
class Data:
    """Training data in S3, as `vehiclevision data load` left it: its prefix, and what its manifest says."""

    prefix: str
    data_hash: str
    builtin: Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """What is to be trained, on what, and where."""

    algorithm: str
    data: Data
    image: str
    source: str | None = None
    quick: bool = False
    spot: bool = True
    instance_type: str = ""
    model: str | None = None
    revision: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def instance(self) -> str:
        """The instance type; the algorithm's usual one if none was named."""
        return self.instance_type or DEFAULT_INSTANCES[self.algorithm]


def training_job(site: Site, training: Training, attempt: int = 1) -> Request:
    """One training job; its name follows from what it does, so the same job is never started twice by accident."""
    definition = {**_definition(site, training), "HyperParameters": hyperparameters(site, training)}
    stem = f"{site.application}-{training.algorithm}-{digest(definition)}"
    job = clipped(stem if attempt == 1 else f"{stem}-{attempt}", MAX_NAME)
    if training.spot:
        # The stem, not the name: a second attempt goes on where the first one was interrupted.
        definition["CheckpointConfig"] = {"S3Uri": site.s3(f"checkpoints/{stem}"), "LocalPath": CHECKPOINTS}
    tags = [*site.tags, *({"Key": f"vehiclevision:{name}", "Value": value} for name, value in facts(training).items())]
    return Request("sagemaker", "create_training_job", {"TrainingJobName": job, **definition, "Tags": tags})


def facts(training: Training) -> dict[str, str]:
    """What registering a job's model wants to know about the job, kept as its tags."""
    named = {"algorithm": training.algorithm, "data": training.data.data_hash, "revision": training.revision}
    return {name: value for name, value in named.items() if value}


def tuning_job(site: Site, training: Training, runs: int, at_once: int, attempt: int = 1) -> Request:
    """A search for good hyperparameters, by accuracy on the validation part."""
    definition = {
        **_definition(site, training),
        "StaticHyperParameters": {
            name: value
            for name, value in hyperparameters(site, training).items()
            if name not in _names(ranges(training.algorithm))
        },
    }
    objective = {"Type": "Maximize", "MetricName": OBJECTIVE}
    # No checkpoints: the jobs of one search would share them.
    stem = f"{site.application}-tune-{digest([definition, runs])}"
    return Request(
        "sagemaker",
        "create_hyper_parameter_tuning_job",
        {
            "HyperParameterTuningJobName": clipped(stem if attempt == 1 else f"{stem}-{attempt}", MAX_TUNING_NAME),
            "HyperParameterTuningJobConfig": {
                "Strategy": "Bayesian",
                "HyperParameterTuningJobObjective": objective,
                "ResourceLimits": {"MaxNumberOfTrainingJobs": runs, "MaxParallelTrainingJobs": min(at_once, runs)},
                "ParameterRanges": ranges(training.algorithm),
                "TrainingJobEarlyStoppingType": "Auto" if training.algorithm == BUILTIN else "Off",
            },
            "TrainingJobDefinition": definition,
            "Tags": site.tags,
        },
    )


def hyperparameters(site: Site, training: Training) -> dict[str, str]:
    """What the algorithm is told; SageMaker takes text only."""
    if training.algorithm == BUILTIN:
        defaults = _builtin_settings(training.data.builtin, quick=training.quick)
        # A model of its own to go on from takes the place of the published weights.
        start = {"use_pretrained_model": "0"} if training.model else {}
        return {**defaults, **start, **training.settings}
    script = {
        "sagemaker_program": ENTRY,
        "sagemaker_submit_directory": training.source or "",
        "sagemaker_region": site.region,
        "sagemaker_container_log_level": 20,
        "data-hash": training.data.data_hash,
        **({"quick": 1} if training.quick else {}),
    }
    # The container's toolkit reads each value as JSON.
    return {**{name: json.dumps(value) for name, value in script.items()}, **training.settings}


def ranges(algorithm: str) -> dict[str, Any]:
    """Where tuning searches."""
    if algorithm == BUILTIN:
        return {
            "ContinuousParameterRanges": [
                _continuous("learning_rate", "0.0001", "0.03", "Logarithmic"),
                _continuous("weight_decay", "0.00001", "0.01", "Logarithmic"),
            ],
            "IntegerParameterRanges": [
                {"Name": "mini_batch_size", "MinValue": "16", "MaxValue": "128", "ScalingType": "Auto"}
            ],
            "CategoricalParameterRanges": [{"Name": "optimizer", "Values": ["sgd", "adam"]}],
        }
    return {
        "IntegerParameterRanges": [{"Name": "epochs", "MinValue": "4", "MaxValue": "30", "ScalingType": "Linear"}],
        "CategoricalParameterRanges": [{"Name": "seed", "Values": ["1", "2", "3", "4"]}],
    }


def _definition(site: Site, training: Training) -> dict[str, Any]:
    """What a training job and a tuning job's jobs have in common."""
    seconds = MAX_HOURS * 3600
    stopping = {"MaxRuntimeInSeconds": seconds}
    if training.spot:
        stopping["MaxWaitTimeInSeconds"] = seconds + SPOT_WAIT_HOURS * 3600
    resources: dict[str, Any] = {"InstanceType": training.instance, "InstanceCount": 1, "VolumeSizeInGB": VOLUME_GB}
    output = {"S3OutputPath": site.s3("jobs")}
    if site.kms_key:
        output["KmsKeyId"] = site.kms_key
        # Instances with a GPU have disks of their own, which AWS encrypts itself and for which it takes no key.
        if not on_gpu(training.instance):
            resources["VolumeKmsKeyId"] = site.kms_key
    algorithm: dict[str, Any] = {"TrainingImage": training.image, "TrainingInputMode": "File"}
    if training.algorithm == OWN:
        algorithm["MetricDefinitions"] = OWN_METRICS
    return {
        "AlgorithmSpecification": algorithm,
        "RoleArn": site.role("training"),
        "InputDataConfig": channels(training),
        "OutputDataConfig": output,
        "ResourceConfig": resources,
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": training.spot,
        # The PyTorch container installs onnx and onnxruntime when it starts; the built-in algorithm needs no network.
        "EnableNetworkIsolation": training.algorithm == BUILTIN,
    }


def channels(training: Training) -> list[dict[str, Any]]:
    """What the job reads: our own code everything under one prefix, the built-in algorithm four channels."""
    if training.algorithm == OWN:
        return [channel(CHANNEL, training.data.prefix)]
    inputs = [
        channel(name, f"{training.data.prefix}{name}/", "application/x-image")
        for name in ("train", "validation", "train_lst", "validation_lst")
    ]
    if training.model:
        inputs.append(channel("model", training.model, "application/x-sagemaker-model"))
    return inputs


def channel(name: str, uri: str, content_type: str | None = None) -> dict[str, Any]:
    """One input of a job: everything under an address, as files."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": source},
        "CompressionType": "None",
        "InputMode": "File",
        **({"ContentType": content_type} if content_type else {}),
    }


def _builtin_settings(data: Mapping[str, Any], *, quick: bool) -> dict[str, str]:
    samples = int(data["num_training_samples"])
    return {
        "num_classes": str(data["num_classes"]),
        "num_training_samples": str(samples),
        "image_shape": str(data["image_shape"]),
        "num_layers": "18",
        "use_pretrained_model": "1",
        "augmentation_type": "crop_color_transform",
        "epochs": "3" if quick else "20",
        "mini_batch_size": str(min(32, samples)),
        "optimizer": "sgd",
        "learning_rate": "0.005",
        "momentum": "0.9",
        "weight_decay": "0.0001",
        "lr_scheduler_step": "2" if quick else "10,15",
        "lr_scheduler_factor": "0.1",
        "early_stopping": "True",
        "early_stopping_min_epochs": "10",
        "early_stopping_patience": "5",
        # Each checkpoint, 45 MB, goes into the model's archive as well.
        "checkpoint_frequency": "1" if quick else "5",
    }


def _continuous(name: str, least: str, most: str, scaling: str) -> dict[str, str]:
    return {"Name": name, "MinValue": least, "MaxValue": most, "ScalingType": scaling}


def _names(ranges: Mapping[str, Any]) -> set[str]:
    return {entry["Name"] for entries in ranges.values() for entry in entries}
