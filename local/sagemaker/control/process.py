"""The control plane's process, without what it answers with: a command that only looks loads none of it."""

from pathlib import Path

from local.processes import Server

# What a person may set; see local/sagemaker/control/settings.py.
SETTINGS = (
    "VEHICLEVISION_TRAINING_PYTHON",
    "VEHICLEVISION_SAGEMAKER_SPEED",
    "VEHICLEVISION_SAGEMAKER_STOP_SECONDS",
    "VEHICLEVISION_SAGEMAKER_JOBS",
)


def server(directory: Path) -> Server:
    """The SageMaker control plane of one state folder, and every training job that it runs."""
    module = "local.sagemaker.control.server"
    return Server("local SageMaker control plane", directory, "sagemaker-control", module, SETTINGS)
