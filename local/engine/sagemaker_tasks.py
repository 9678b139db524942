"""Step Functions' SageMaker tasks, as AWS's optimised integration runs them, against the local SageMaker.

The call itself is botocore's, so it is checked like any other.
"""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from ministack.services import stepfunctions

from local.credentials import Credentials
from local.deploy import sealed_session
from local.place import REGION

POLL_SECONDS = 0.5
# The actions that AWS's optimised integration has, as far as they are here; `.sync` waits for jobs.
JOBS = {"createTrainingJob": "TrainingJob", "createHyperParameterTuningJob": "HyperParameterTuningJob"}
ACTIONS = frozenset({*JOBS, "createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint"})
# AWS names these errors so; every other is its AmazonSageMakerException.
NAMED_ERRORS = {
    "ResourceInUse": "SageMaker.ResourceInUseException",
    "ResourceLimitExceeded": "SageMaker.ResourceLimitExceededException",
    "ResourceNotFound": "SageMaker.ResourceNotFoundException",
    "ConflictException": "SageMaker.ConflictException",
}
ANY_ERROR = "SageMaker.AmazonSageMakerException"


def perform(resource: str, parameters: Mapping[str, Any], url: str | None, own: Credentials) -> dict[str, Any]:
    """A task state's result: the API's answer, or with `.sync` the finished job's description."""
    action, _, pattern = resource.rsplit(":sagemaker:", 1)[-1].partition(".")
    if action not in {"": ACTIONS, "sync": JOBS}.get(pattern, ()):
        raise _failed("States.Runtime", f"{resource} is not part of the local SageMaker.")
    if url is None:
        raise _failed(ANY_ERROR, "The local SageMaker does not run. Start it with: vehiclevision up")
    session = sealed_session(own.access_key_id, own.secret_access_key)
    client = session.create_client("sagemaker", REGION, endpoint_url=url, config=Config(connect_timeout=5))
    answer = _call(client, action, parameters)
    if not pattern:
        return answer
    job = JOBS[action]
    while True:
        answer = _call(client, f"describe{job}", {f"{job}Name": parameters[f"{job}Name"]})
        match answer[f"{job}Status"]:
            case "Completed":
                return answer
            case "InProgress" | "Stopping":
                time.sleep(POLL_SECONDS)
            case _:
                raise _failed("States.TaskFailed", json.dumps(answer))


def _call(client: Any, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = getattr(client, xform_name(action))(**parameters)
    except ParamValidationError as error:
        raise _failed("States.Runtime", str(error)) from error
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        raise _failed(NAMED_ERRORS.get(code, ANY_ERROR), f"{message} (Service: SageMaker; {code})") from error
    except BotoCoreError as error:
        raise _failed(ANY_ERROR, str(error)) from error
    return {name: _plain(value) for name, value in answer.items() if name != "ResponseMetadata"}


def _failed(error: str, cause: str) -> Exception:
    return stepfunctions._ExecutionError(error, cause)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    """As JSON; this integration gives times in milliseconds since 1970."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
