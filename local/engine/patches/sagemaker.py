"""SageMaker, which MiniStack has not: the one beside it."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.services import (
    stepfunctions,
)

from local.credentials import Credentials


def reach_sagemaker(url: Callable[[], str | None], root: Credentials) -> None:
    """MiniStack has no SageMaker, and so no tasks for it: both forms of a task state call the one beside it."""

    def run_task(resource: str, parameters: Any) -> dict[str, Any]:
        from local.sagemaker.control import integration  # noqa: PLC0415 - few workflows have such a task

        try:
            return integration.perform(resource, parameters, url(), root)
        except integration.TaskError as error:
            raise stepfunctions._ExecutionError(error.error, error.cause) from error

    async def forward(
        _method: str, _path: str, headers: dict[str, str], body: Any, _query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        own = {"authorization": f"Bearer {root.secret_access_key}"}
        return await asyncio.to_thread(_post, url(), {**_lower(headers), **own}, body)

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:"] = run_task
    stepfunctions._AWS_SDK_SERVICE_MAP["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}
    stepfunctions._AWS_SDK_ERROR_PREFIX["sagemaker"] = "SageMaker"
    app.SERVICE_HANDLERS["sagemaker"] = forward


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _post(url: str | None, headers: dict[str, str], body: Any) -> tuple[int, dict[str, str], bytes]:
    """A JSON request as MiniStack makes it for its own services, sent on to another process."""
    data = body.encode() if isinstance(body, str) else bytes(body)
    kept = {name: value for name, value in headers.items() if name not in ("host", "content-length")}
    try:
        request = urllib.request.Request(f"{url}/", data, kept, method="POST")  # noqa: S310 - our own http address
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
    except (OSError, ValueError):
        message = "The local SageMaker does not run. Start it with: vehiclevision up"
        return 503, {}, json.dumps({"__type": "ServiceUnavailable", "message": message}).encode()
