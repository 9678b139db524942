"""What the runtime serves: the state file that it reads, and the model files that the file names.

A fleet is what an endpoint serves at one moment: a list of {"name": variant, "model": path, "weight": number}.
During an update two entries may share a name, one with the old model and one with the new.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local import processes
from local.place import CHECKOUT
from local.sagemaker.control.aws import FAULTS, Engine
from local.sagemaker.control.errors import DeploymentError
from local.sagemaker.control.names import ENDPOINT
from local.sagemaker.control.store import Record, Store
from local.sagemaker.servers import SHIPPED_MODEL, endpoints_file
from vehiclevision.results import bucket_and_key

# The model that lies in the checkout, under an address in the bucket that SageMaker makes for an account.
SHIPPED_URL = "s3://sagemaker-us-east-1-000000000000/vehiclevision/shipped/model.tar.gz"
MAX_ARTEFACT_BYTES = 64 * 1024 * 1024
CHECK_SECONDS = 60.0

Fleet = list[dict[str, Any]]


class Serving:
    """Publishes fleets and keeps the model files that some fleet needs."""

    def __init__(self, directory: Path, store: Store, engine: Engine) -> None:
        self._file = endpoints_file(directory)
        self._models = directory / "sagemaker-control" / "models"
        self._store = store
        self._engine = engine
        # Models that passed, by their file as it was then.
        self._checked: set[tuple[str, int, int]] = set()

    def publish(self) -> None:
        """Write down what is served now; the runtime reads it with the next request."""
        with self._store.lock:
            endpoints = {record["EndpointName"]: _served(record) for record in self._store.all(ENDPOINT)}
            served = {name: entry for name, entry in endpoints.items() if entry is not None}
            text = json.dumps({"endpoints": served}, indent=1) + "\n"
            processes.write_atomically(self._file, text)

    def fetch(self, url: str) -> str:
        """The path of the model at an s3:// address, fetched and checked as the runtime will."""
        if url == SHIPPED_URL:
            return SHIPPED_MODEL
        self._models.mkdir(parents=True, exist_ok=True)
        partial = self._models / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.partial"
        try:
            self._engine.download(*bucket_and_key(url), partial, MAX_ARTEFACT_BYTES)
        except (*FAULTS, OSError, ValueError) as error:
            raise DeploymentError(
                f'Failed to download model data for container "container_1" from URL: "{url}". Please ensure that '
                f"there is an object located at the URL. ({error})"
            ) from error
        path = self._models / f"{hashlib.sha256(partial.read_bytes()).hexdigest()}.tar.gz"
        if path.exists():
            # The runtime has it loaded, and would load it anew if the file changed.
            partial.unlink()
        else:
            partial.replace(path)
        return str(path)

    def check(self, variant: str, path: str, image: str) -> None:
        """DeploymentError unless the runtime could serve this model; asked in a process of its own."""
        with contextlib.suppress(OSError):
            stat = (CHECKOUT / path).stat()
            if (path, stat.st_mtime_ns, stat.st_size) in self._checked:
                return
        log = self._models / f"check-{hashlib.sha256(path.encode()).hexdigest()[:16]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "local.sagemaker.control.check_model", str(CHECKOUT / path), image]
        try:
            code = processes.run_tied(command, os.environ, CHECKOUT, log, CHECK_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            raise DeploymentError(f"The model could not be checked: {error}") from error
        said = processes.tail(log, 1)
        log.unlink(missing_ok=True)
        if code != 0:
            raise DeploymentError(
                f"The primary container for production variant {variant} did not pass the ping health check. "
                f"Please check CloudWatch logs for this endpoint. {said}"
            )
        stat = (CHECKOUT / path).stat()
        self._checked.add((path, stat.st_mtime_ns, stat.st_size))

    def forget_unused(self) -> None:
        """Delete the model files that no endpoint serves or is about to."""
        with self._store.lock:
            records = self._store.all(ENDPOINT)
            if any(record["EndpointStatus"] in ("Creating", "Updating") for record in records):
                return
            used = {Path(entry["model"]).name for record in records for entry in record.get("_fleet", [])}
            for path in self._models.glob("*.tar.gz"):
                if path.name not in used:
                    path.unlink(missing_ok=True)


def _served(record: Record) -> Mapping[str, Any] | None:
    fleet: Fleet = record.get("_fleet", [])
    if not fleet or record["EndpointStatus"] in ("Creating", "Deleting", "Failed"):
        return None
    capture = record.get("_capture_config") or {}
    return {"variants": fleet, **({"capture": capture} if capture.get("EnableCapture") else {})}


def mixed(blue: Fleet, green: Fleet, share: float) -> Fleet:
    """A fleet in which the green part gets this share of the traffic."""
    return [*_scaled(blue, 1 - share), *_scaled(green, share)]


def _scaled(fleet: Fleet, share: float) -> Fleet:
    total = sum(float(entry["weight"]) for entry in fleet) or 1.0
    return [{**entry, "weight": round(float(entry["weight"]) / total * share, 6)} for entry in fleet] if share else []
