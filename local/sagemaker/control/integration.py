"""Step Functions' SageMaker tasks, as AWS's optimised integration runs them, against the local control plane.

Used inside the engine's process; the call itself is botocore's, so it is signed and checked like any other.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from local.credentials import Credentials
from local.deploy import sealed_session
from local.place import REGION

POLL_SECONDS = 0.5
# The actions that AWS's optimised integration has, as far as the local SageMaker has them, by their method in botocore.
ACTIONS = {
    "createTrainingJob": "create_training_job",
    "createHyperParameterTuningJob": "create_hyper_parameter_tuning_job",
    "createModel": "create_model",
    "createEndpointConfig": "create_endpoint_config",
    "createEndpoint": "create_endpoint",
    "updateEndpoint": "update_endpoint",
}
# What `.sync` waits for: the method that describes it, the field with its name, and the field with its status.
JOBS = {
    "createTrainingJob": ("describe_training_job", "TrainingJobName", "TrainingJobStatus"),
    "createHyperParameterTuningJob": (
        "describe_hyper_parameter_tuning_job",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
    ),
}
RUNNING = frozenset({"InProgress", "Stopping"})
# AWS names these errors so; every other is its AmazonSageMakerException.
NAMED_ERRORS = {
    "ResourceInUse": "SageMaker.ResourceInUseException",
    "ResourceLimitExceeded": "SageMaker.ResourceLimitExceededException",
    "ResourceNotFound": "SageMaker.ResourceNotFoundException",
    "ConflictException": "SageMaker.ConflictException",
}
ANY_ERROR = "SageMaker.AmazonSageMakerException"


class TaskError(Exception):
    """The task fails with this error name and cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(cause)
        self.error = error
        self.cause = cause


def perform(resource: str, parameters: Mapping[str, Any], url: str | None, own: Credentials) -> dict[str, Any]:
    """A task state's result: the API's answer, or with `.sync` the finished job's description."""
    action = resource.rsplit(":sagemaker:", 1)[-1]
    name, _, pattern = action.partition(".")
    if name not in ACTIONS or pattern not in ("", "sync") or (pattern and name not in JOBS):
        raise TaskError("States.Runtime", f"{resource} is not part of the local SageMaker.")
    client = _client(url, own)
    answer = _call(getattr(client, ACTIONS[name]), parameters)
    if not pattern:
        return answer
    method, field, status = JOBS[name]
    while True:
        answered = _call(getattr(client, method), {field: parameters[field]})
        if answered[status] not in RUNNING:
            break
        time.sleep(POLL_SECONDS)
    if answered[status] != "Completed":
        raise TaskError("States.TaskFailed", json.dumps(answered))
    return answered


def _client(url: str | None, own: Credentials) -> Any:
    if url is None:
        raise TaskError(ANY_ERROR, "The local SageMaker does not run. Start it with: vehiclevision up")
    session = sealed_session(own.access_key_id, own.secret_access_key)
    return session.create_client("sagemaker", REGION, endpoint_url=url, config=Config(connect_timeout=5))


def _call(method: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = method(**parameters)
    except ParamValidationError as error:
        raise TaskError("States.Runtime", str(error)) from error
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        raise TaskError(NAMED_ERRORS.get(code, ANY_ERROR), f"{message} (Service: SageMaker; {code})") from error
    except BotoCoreError as error:
        raise TaskError(ANY_ERROR, str(error)) from error
    return {name: _plain(value) for name, value in answer.items() if name != "ResponseMetadata"}


def _plain(value: Any) -> Any:
    """As JSON; this integration gives times in milliseconds since 1970."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
