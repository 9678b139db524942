"""The control plane's process, without what it answers with: a command that only looks loads none of it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local import processes
from local.place import CHECKOUT, INHERITED
from local.processes import HOST, Server

START_SECONDS = 60.0
STOP_SECONDS = 10.0
# What a person may set; see local/sagemaker/control/settings.py.
SETTINGS = (
    "VEHICLEVISION_TRAINING_PYTHON",
    "VEHICLEVISION_SAGEMAKER_SPEED",
    "VEHICLEVISION_SAGEMAKER_STOP_SECONDS",
    "VEHICLEVISION_SAGEMAKER_JOBS",
)


def server(directory: Path) -> Server:
    """The SageMaker control plane of one state folder."""
    return Server("local SageMaker control plane", directory / "sagemaker-control")


def url(directory: Path) -> str | None:
    """Where the control plane of a state folder answers, or None while it does not run."""
    record = processes.running(server(directory))
    return f"http://{HOST}:{record['port']}" if record else None


@dataclass(frozen=True)
class Launch:
    """A process on its way up, or one that was up already."""

    process: "subprocess.Popen[bytes] | None"
    port: int


def launch(directory: Path) -> Launch:
    """Start the process unless it runs, without waiting for it."""
    found = server(directory)
    record = processes.running(found)
    if record is not None:
        return Launch(None, record["port"])
    port = processes.remembered_port(found)
    environment = {name: os.environ[name] for name in (*INHERITED, *SETTINGS, "PYTHONPATH") if name in os.environ}
    arguments = ["--directory", str(directory), "--port", str(port)]
    return Launch(processes.start(found, "local.sagemaker.control.server", arguments, environment, CHECKOUT), port)


def await_ready(directory: Path, launched: Launch) -> str:
    """The URL of the control plane once it answers."""
    address = f"http://{HOST}:{launched.port}"
    processes.await_answer(server(directory), launched.process, f"{address}/ping", START_SECONDS)
    return address


def start(directory: Path) -> str:
    """Start the control plane unless it runs; returns its URL once it answers."""
    return await_ready(directory, launch(directory))


def stop(directory: Path) -> None:
    """Stop the control plane with every training job that it runs."""
    processes.stop(server(directory), STOP_SECONDS)
