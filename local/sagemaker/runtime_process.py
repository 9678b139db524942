"""The local SageMaker's process and its endpoints, without what it serves them with.

Apart from `runtime`, so that a command that only looks or starts does not load onnxruntime and numpy.
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

FLUSH_SECONDS = 10.0
IN_SERVICE = "InService"
APPLICATION_ENDPOINT = "vehiclevision"
MAX_MANIFEST_BYTES = 1024 * 1024
DEFAULT_ENDPOINTS = {APPLICATION_ENDPOINT: {"model": "training/model/model.tar.gz", "status": IN_SERVICE}}


def server(directory: Path) -> Server:
    """The SageMaker runtime of one state folder."""
    return Server("local SageMaker runtime", directory, "sagemaker", "local.sagemaker.runtime")


def endpoints_file(directory: Path) -> Path:
    """What is served: {"endpoints": {name: {"model": path from the checkout, "status": "InService"}}}.

    The control plane writes it, with two more fields: "variants", a list of {"name", "model", "weight"}, and
    "capture", which local/sagemaker/capture.py reads.
    """
    return directory / "sagemaker" / "endpoints.json"


def served(file: Path) -> dict[str, dict[str, Any]]:
    """Endpoint names with what they serve: the shipped model, as long as nobody has written down anything else."""
    listed = processes.read_json(file).get("endpoints")
    return listed if isinstance(listed, dict) else DEFAULT_ENDPOINTS


def threshold(directory: Path) -> float | None:
    """The threshold that belongs to the model behind the application's endpoint; None where no model says one."""
    endpoint = served(endpoints_file(directory)).get(APPLICATION_ENDPOINT) or {}
    try:
        with tarfile.open(CHECKOUT / endpoint["model"]) as archive:
            manifest = archive.extractfile("manifest.json")
            return float(json.loads(manifest.read(MAX_MANIFEST_BYTES))["threshold"]) if manifest else None
    # The runtime says of a model that cannot be read what is wrong with it, to whoever asks it.
    except (OSError, tarfile.TarError, zlib.error, KeyError, TypeError, ValueError):
        return None


def flush(directory: Path) -> None:
    """Have the runtime write the data that it captured and has not written yet."""
    address = server(directory).url()
    if address is not None:
        own = {"Authorization": f"Bearer {credentials.of(directory).secret_access_key}"}
        request = urllib.request.Request(f"{address}/flush-captured-data", b"", own, method="POST")  # noqa: S310
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=FLUSH_SECONDS):  # noqa: S310
            pass
