"""What all operations share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.sagemaker_control.aws import Engine
from local.sagemaker_control.settings import Settings
from local.sagemaker_control.store import Store

if TYPE_CHECKING:
    from local.sagemaker_control.deployment import Deployments
    from local.sagemaker_control.training import TrainingJobs
    from local.sagemaker_control.tuning import TuningJobs

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
