"""What all operations share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.sagemaker.control.aws import Engine
from local.sagemaker.control.settings import Settings
from local.sagemaker.control.store import Store

if TYPE_CHECKING:
    from local.sagemaker.control.deployment import Deployments
    from local.sagemaker.control.training import TrainingJobs
    from local.sagemaker.control.tuning import TuningJobs

Request = Mapping[str, Any]


@dataclass(frozen=True)
class Service:
    """The control plane's parts."""

    directory: Path
    store: Store
    engine: Engine
    settings: Settings
    training: "TrainingJobs"
    tuning: "TuningJobs"
    deployments: "Deployments"


Operation = Callable[[Service, Request], Mapping[str, Any]]
