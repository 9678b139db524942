"""Every operation of the control plane, and the service that they work on."""

from pathlib import Path

from local.sagemaker.control import (
    bootstrap,
    endpoint_configs,
    endpoints,
    models,
    registry,
    scaling,
    tags,
    training_operations,
    tuning_operations,
)
from local.sagemaker.control.aws import Engine
from local.sagemaker.control.deployment import Deployments
from local.sagemaker.control.service import Operation, Service
from local.sagemaker.control.serving import Serving
from local.sagemaker.control.settings import Settings
from local.sagemaker.control.store import Store
from local.sagemaker.control.training import TrainingJobs
from local.sagemaker.control.tuning import TuningJobs

OPERATIONS: dict[str, Operation] = {
    **training_operations.OPERATIONS,
    **tuning_operations.OPERATIONS,
    **models.OPERATIONS,
    **endpoint_configs.OPERATIONS,
    **endpoints.OPERATIONS,
    **registry.OPERATIONS,
    **tags.OPERATIONS,
}

# What a request's target begins with, the service in botocore, and its operations here.
APIS: dict[str, tuple[str, dict[str, Operation]]] = {
    "SageMaker": ("sagemaker", OPERATIONS),
    "AnyScaleFrontendService": ("application-autoscaling", scaling.OPERATIONS),
}


def make_service(directory: Path, settings: Settings) -> Service:
    """The service of a state folder, going on with what its last stop cut off."""
    room = directory / "sagemaker-control"
    store, engine = Store(room / "records.sqlite3"), Engine(directory)
    bootstrap.adopt(store, directory)
    serving = Serving(directory, store, engine)
    training = TrainingJobs(store, engine, room, settings)
    tuning = TuningJobs(store, training, settings)
    deployments = Deployments(store, engine, serving, settings)
    serving.publish()
    training.resume()
    tuning.resume()
    deployments.resume()
    return Service(room, store, engine, settings, training, tuning, deployments)
