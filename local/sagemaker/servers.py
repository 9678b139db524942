"""The two servers of the local SageMaker, and what the runtime serves, without what they answer with.

So a command that only looks or starts loads neither onnxruntime nor botocore's model of the service.
"""

import contextlib
import json
import tarfile
import urllib.request
import zlib
from pathlib import Path
from typing import Any

from local import credentials, processes
from local.place import CHECKOUT
from local.processes import Server

# What a person may set; see local/sagemaker/control/settings.py.
SETTINGS = (
    "VEHICLEVISION_TRAINING_PYTHON",
    "VEHICLEVISION_SAGEMAKER_SPEED",
    "VEHICLEVISION_SAGEMAKER_STOP_SECONDS",
    "VEHICLEVISION_SAGEMAKER_JOBS",
)
FLUSH_SECONDS = 10.0
APPLICATION_ENDPOINT = "vehiclevision"
MAX_MANIFEST_BYTES = 1024 * 1024
VARIANT = "AllTraffic"
SHIPPED_MODEL = "training/model/model.tar.gz"


def runtime(directory: Path) -> Server:
    """The SageMaker runtime of one state folder."""
    return Server("local SageMaker runtime", directory, "sagemaker", "local.sagemaker.runtime")


def control(directory: Path) -> Server:
    """The SageMaker control plane of one state folder, with every training job that it runs."""
    module = "local.sagemaker.control.server"
    return Server("local SageMaker control plane", directory, "sagemaker-control", module, SETTINGS)


def endpoints_file(directory: Path) -> Path:
    """What is served: {"endpoints": {name: {"variants": [{"name", "model": path from the checkout, "weight"}]}}}.

    The control plane writes it, and beside the variants, as "capture", the endpoint's DataCaptureConfig if it is on.
    """
    return directory / "sagemaker" / "endpoints.json"


def served(file: Path) -> dict[str, dict[str, Any]]:
    """Endpoint names with what they serve: the shipped model, as long as nobody has written down anything else."""
    listed = processes.read_json(file).get("endpoints")
    if isinstance(listed, dict):
        return listed
    return {APPLICATION_ENDPOINT: {"variants": [{"name": VARIANT, "model": SHIPPED_MODEL, "weight": 1.0}]}}


def threshold(directory: Path) -> float | None:
    """The threshold that belongs to the model behind the application's endpoint; None where no model says one."""
    try:
        variants = served(endpoints_file(directory))[APPLICATION_ENDPOINT]["variants"]
        heaviest = max(variants, key=lambda variant: float(variant["weight"]))
        with tarfile.open(CHECKOUT / heaviest["model"]) as archive:
            manifest = archive.extractfile("manifest.json")
            return float(json.loads(manifest.read(MAX_MANIFEST_BYTES))["threshold"]) if manifest else None
    # The runtime says of a model that cannot be read what is wrong with it, to whoever asks it.
    except (OSError, tarfile.TarError, zlib.error, KeyError, TypeError, ValueError):
        return None


def flush(directory: Path) -> None:
    """Have the runtime write the data that it captured and has not written yet."""
    address = runtime(directory).url()
    if address is not None:
        own = {"Authorization": f"Bearer {credentials.of(directory).secret_access_key}"}
        request = urllib.request.Request(f"{address}/flush-captured-data", b"", own, method="POST")  # noqa: S310
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=FLUSH_SECONDS):  # noqa: S310
            pass
