"""SageMaker, which MiniStack has not: the one beside it."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import stepfunctions

from local.credentials import Credentials
from local.engine import task_calls
from local.engine.patches import iam


def reach_sagemaker(url: Callable[[], str | None], root: Credentials) -> None:
    """MiniStack has no SageMaker, and so no tasks for it: both forms of a task state call the one beside it."""

    def run_task(resource: str, parameters: Any) -> dict[str, Any]:
        from local.sagemaker.control import integration  # noqa: PLC0415 - few workflows have such a task

        try:
            return integration.perform(resource, parameters, url(), root)
        except integration.TaskError as error:
            raise stepfunctions._ExecutionError(error.error, error.cause) from error

    async def forward(
        _method: str, _path: str, headers: dict[str, str], body: Any, query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        headers, own = _lower(headers), {"authorization": f"Bearer {root.secret_access_key}"}
        operation, request = headers.get("x-amz-target", "").rpartition(".")[2], _parsed(body)
        reason = refusal(extract_access_key_id(headers, query), operation, request)
        if reason:
            return 400, {}, json.dumps({"__type": "AccessDeniedException", "message": reason}).encode()
        return await asyncio.to_thread(_post, url(), {**headers, **own}, body)

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:"] = run_task
    stepfunctions._AWS_SDK_SERVICE_MAP["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}
    stepfunctions._AWS_SDK_ERROR_PREFIX["sagemaker"] = "SageMaker"
    app.SERVICE_HANDLERS["sagemaker"] = forward


def refusal(access_key_id: str, operation: str, request: Mapping[str, Any]) -> str | None:
    """Why whoever signed a request may not make it, which MiniStack asks of no service that it does not know."""
    region = get_region()
    calls = task_calls.of_sagemaker(operation, request, region, get_account_id())
    return next(filter(None, (iam.refusal_of_key(access_key_id, call, region) for call in calls)), None)


def _parsed(body: Any) -> Mapping[str, Any]:
    """A request's parameters; none of one that SageMaker will refuse."""
    try:
        request = json.loads(body or "{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


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
