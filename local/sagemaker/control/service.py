"""The control plane's parts, on which all operations work."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.sagemaker.control.aws import Engine
from local.sagemaker.control.deployment import Deployments
from local.sagemaker.control.serving import Serving
from local.sagemaker.control.settings import Settings
from local.sagemaker.control.store import Store
from local.sagemaker.control.training import TrainingJobs
from local.sagemaker.control.tuning import TuningJobs


class Service:
    """The parts over what a state folder holds."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        room = directory / "sagemaker-control"
        self.store, self.engine = Store(room / "records.sqlite3"), Engine(directory)
        self.serving = Serving(directory, self.store, self.engine)
        self.training = TrainingJobs(self.store, self.engine, room, settings)
        self.tuning = TuningJobs(self.store, self.training, settings)
        self.deployments = Deployments(self.store, self.engine, self.serving, settings)

    def resume(self) -> None:
        """Go on with what the last stop cut off."""
        self.serving.publish()
        self.training.resume()
        self.tuning.resume()
        self.deployments.resume()


Request = Mapping[str, Any]
Operation = Callable[[Service, Request], Mapping[str, Any]]
