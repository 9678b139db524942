"""The control plane's process, without what it answers with: a command that only looks loads none of it."""

from pathlib import Path

from local import processes
from local.processes import Launch, Server

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
    return processes.url(server(directory))


def launch(directory: Path) -> Launch:
    """Start the process unless it runs, without waiting for it."""
    return processes.launch(server(directory), "local.sagemaker.control.server", directory, SETTINGS)


def stop(directory: Path) -> None:
    """Stop the control plane with every training job that it runs."""
    processes.stop(server(directory))
