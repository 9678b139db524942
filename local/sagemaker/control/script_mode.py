"""Script mode as AWS's training containers run it: the program's command line, folders and environment."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.place import REGION
from local.sagemaker.control.aws import Engine
from local.sagemaker.control.errors import JobError
from local.sagemaker.control.layout import CONTAINER_ROOT, Layout, is_plain
from local.sagemaker.control.store import Record

HOST = "algo-1"
NETWORK_INTERFACE = "lo"
# The toolkit keeps these for itself; the program does not get them.
RESERVED = "sagemaker_"
# The service's own addition to a tuned job's hyperparameters.
TUNING_METRIC = "_tuning_objective_metric"
# What a program needs of the machine.
INHERITED = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")


def hyperparameters(job: Record) -> dict[str, Any]:
    """All hyperparameters, each read as JSON where it is JSON, as the SDK writes them."""
    return {name: _decoded(value) for name, value in job.get("HyperParameters", {}).items()}


def program(job: Record) -> str:
    """The file that is run, from `sagemaker_program`."""
    return str(hyperparameters(job).get("sagemaker_program", ""))


def source(job: Record) -> str:
    """Where the source archive lies, from `sagemaker_submit_directory`."""
    return str(hyperparameters(job).get("sagemaker_submit_directory", ""))


def own(job: Record, layout: Layout) -> dict[str, Any]:
    """The program's hyperparameters, with the container's paths as the job's own."""
    chosen = {name: value for name, value in hyperparameters(job).items() if not name.startswith(RESERVED)}
    chosen.pop(TUNING_METRIC, None)
    return {name: layout.localised(value) if isinstance(value, str) else value for name, value in chosen.items()}


def arguments(values: Mapping[str, Any]) -> list[str]:
    """`--name value` for each hyperparameter in the order of their names, as the toolkit passes them."""
    words: list[str] = []
    for name in sorted(values):
        words += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(values[name])]
    return words


def command(job: Record, layout: Layout, python: str) -> list[str]:
    """The whole command line, to be run in the code folder."""
    name = program(job)
    if not is_plain(name) or not (layout.code / name).is_file():
        raise JobError(f"AlgorithmError: sagemaker_program {name!r} is not in sagemaker_submit_directory, exit code: 1")
    start = ["/bin/sh", "-c", f'./{shlex.quote(name)} "$@"', name] if name.endswith(".sh") else [python, name]
    return [*start, *arguments(own(job, layout))]


def environment(job: Record, layout: Layout, engine: Engine, site: str, machine: Mapping[str, str]) -> dict[str, str]:
    """The program's whole environment."""
    values = own(job, layout)
    channels = sorted(channel["ChannelName"] for channel in job.get("InputDataConfig", []))
    name = program(job)
    module = name.rsplit("/", 1)[-1].removesuffix(".py")
    settings: dict[str, Any] = {
        "HOSTS": [HOST],
        "CURRENT_HOST": HOST,
        "CURRENT_INSTANCE_TYPE": job["ResourceConfig"].get("InstanceType", ""),
        "NETWORK_INTERFACE_NAME": NETWORK_INTERFACE,
        "HPS": values,
        "USER_ARGS": arguments(values),
        "USER_ENTRY_POINT": name,
        "MODULE_NAME": module,
        "MODULE_DIR": source(job),
        "FRAMEWORK_PARAMS": {},
        "FRAMEWORK_MODULE": "sagemaker_pytorch_container.training:main",
        "LOG_LEVEL": 20,
        "CHANNELS": channels,
        "INPUT_DIR": str(layout.root / "input"),
        "INPUT_CONFIG_DIR": str(layout.config),
        "MODEL_DIR": str(layout.model),
        "OUTPUT_DIR": str(layout.output),
        "OUTPUT_DATA_DIR": str(layout.output / "data"),
        "OUTPUT_INTERMEDIATE_DIR": str(layout.output / "intermediate"),
        "RESOURCE_CONFIG": resource_config(job),
        "INPUT_DATA_CONFIG": input_data_config(job),
        "NUM_CPUS": os.cpu_count() or 1,
        "NUM_GPUS": 0,
        "NUM_NEURONS": 0,
        # AWS has no such variable: there the folder is CheckpointConfig.LocalPath. Here its place changes.
        "CHECKPOINT_DIR": str(checkpoint_folder(job, layout)),
        **{f"CHANNEL_{channel.upper()}": str(layout.data / channel) for channel in channels},
        **{f"HP_{parameter.upper()}": value for parameter, value in values.items()},
    }
    given = {name: layout.localised(value) for name, value in job.get("Environment", {}).items()}
    return {
        **{name: machine[name] for name in INHERITED if name in machine},
        "HOME": str(layout.root),
        "TMPDIR": str(layout.temporary),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": f"{layout.code}{os.pathsep}{site}",
        "TRAINING_JOB_NAME": job["TrainingJobName"],
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": engine.url(),
        "AWS_ACCESS_KEY_ID": engine.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": engine.credentials.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        **{f"SM_{key}": value if isinstance(value, str) else _json(value) for key, value in settings.items()},
        "SM_TRAINING_ENV": _json({key.lower(): value for key, value in settings.items()}),
        **given,
    }


def checkpoint_folder(job: Record, layout: Layout) -> Path:
    """Where the program writes checkpoints: where it is told to under /opt/ml, else in the usual folder."""
    inside = job.get("CheckpointConfig", {}).get("LocalPath", "").removeprefix(f"{CONTAINER_ROOT}/")
    return layout.root / inside if is_plain(inside) else layout.checkpoints


def resource_config(job: Record) -> dict[str, Any]:
    """input/config/resourceconfig.json."""
    instance = job["ResourceConfig"].get("InstanceType", "")
    return {
        "current_host": HOST,
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": [HOST]},
        ],
        "network_interface_name": NETWORK_INTERFACE,
    }


def input_data_config(job: Record) -> dict[str, Any]:
    """input/config/inputdataconfig.json."""
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": "File",
            "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                "S3DataDistributionType", "FullyReplicated"
            ),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in job.get("InputDataConfig", [])
    }


def write_config(job: Record, layout: Layout) -> None:
    """The files under input/config."""
    for name, content in (
        ("hyperparameters", job.get("HyperParameters", {})),
        ("inputdataconfig", input_data_config(job)),
        ("resourceconfig", resource_config(job)),
    ):
        (layout.config / f"{name}.json").write_text(json.dumps(content))


def is_s3(url: str) -> bool:
    """Whether this is an s3:// address with a bucket and a key."""
    parts = urlsplit(url)
    return parts.scheme == "s3" and bool(parts.netloc) and parts.path not in ("", "/")


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in sorted(value.items()))
    return "" if value is None else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
