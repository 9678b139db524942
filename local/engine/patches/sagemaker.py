"""SageMaker, which MiniStack has not: the one beside it, at the engine's address and behind the engine's policies."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from ministack import app
from ministack.core import router
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import stepfunctions

from local.credentials import Credentials
from local.engine.patches import iam
from local.engine.task_calls import Call, of_sagemaker
from local.sagemaker import servers

Answer = tuple[int, dict[str, str], bytes]
SAGEMAKER, SCALING, SCALING_INTERFACE = "sagemaker", "application-autoscaling", "AnyScaleFrontendService"
REQUESTS_AT_A_TIME = 64
# AWS gives a container 60 s.
PATIENCE_SECONDS = 70.0
# What belongs to the connection, and the signature, which the door has checked.
NOT_HANDED_ON = frozenset({"host", "content-length", "connection", "transfer-encoding", "expect"})


def reach_sagemaker(directory: Path, root: Credentials) -> None:
    """MiniStack has no SageMaker, and so no tasks for it: requests and both forms of a task state go to ours."""
    # Not MiniStack's own threads, in which functions run that wait for these.
    threads = ThreadPoolExecutor(REQUESTS_AT_A_TIME, "sagemaker")
    connections = urllib3.PoolManager(maxsize=REQUESTS_AT_A_TIME, retries=False, timeout=PATIENCE_SECONDS)
    own = {"authorization": f"Bearer {root.secret_access_key}"}

    def run_task(resource: str, parameters: Any) -> dict[str, Any]:
        from local.engine import sagemaker_tasks  # noqa: PLC0415 - few workflows have such a task

        return sagemaker_tasks.perform(resource, parameters, servers.control(directory).url(), root)

    async def forward(method: str, path: str, headers: Mapping[str, str], body: Any, query: Any) -> Answer:
        headers = {name.lower(): value for name, value in headers.items()}
        reason = refusal(extract_access_key_id(headers, query), asked_for(path, headers, body))
        if reason:
            return error(400 if invoked(path) is None else 403, "AccessDeniedException", reason)
        sent = {name: value for name, value in headers.items() if name not in NOT_HANDED_ON} | own
        return await asyncio.get_running_loop().run_in_executor(threads, send, method, path, sent, body)

    def send(method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        address = (servers.control if invoked(path) is None else servers.runtime)(directory).url()
        try:
            answer = connections.request(method, f"{address}{quote(path)}", body=body, headers=headers)
        except (urllib3.exceptions.HTTPError, OSError):
            return error(503, "ServiceUnavailable", "The local SageMaker does not run. Start it with: vehiclevision up")
        return answer.status, dict(answer.headers), answer.data

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:"] = run_task
    stepfunctions._AWS_SDK_SERVICE_MAP["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}
    stepfunctions._AWS_SDK_ERROR_PREFIX["sagemaker"] = "SageMaker"
    for service in (SAGEMAKER, SCALING):
        # Else MiniStack reads the models of all services of AWS, to know that there is such a one.
        router.SERVICE_PATTERNS[service] = {}
        app.SERVICE_HANDLERS[service] = forward


def invoked(path: str) -> str | None:
    """The endpoint that a request invokes; None for every other operation, whose path is the root."""
    parts = path.split("/")
    return parts[2] if len(parts) == 4 and (parts[1], parts[3]) == ("endpoints", "invocations") else None


def error(status: int, code: str, message: str) -> Answer:
    """An error as all SDKs read it, of APIs in JSON and of those with paths."""
    return status, {"x-amzn-errortype": code}, json.dumps({"__type": code, "message": message}).encode()


def asked_for(path: str, headers: Mapping[str, str], body: Any) -> Iterator[Call]:
    """What a request does, as policies name it."""
    interface, _, operation = headers.get("x-amz-target", "").rpartition(".")
    if endpoint := invoked(path):
        return of_sagemaker("InvokeEndpoint", {"EndpointName": endpoint}, get_region(), get_account_id())
    if interface == SCALING_INTERFACE:
        return iter([Call(SCALING, f"{SCALING}:{operation}", "*")])
    return of_sagemaker(operation, _parsed(body), get_region(), get_account_id())


def refusal(access_key_id: str, calls: Iterator[Call]) -> str | None:
    """Why whoever signed a request may not make it, which MiniStack asks of no service that it does not know."""
    return next(filter(None, (iam.refusal_of_key(access_key_id, call, get_region()) for call in calls)), None)


def _parsed(body: Any) -> Mapping[str, Any]:
    """A request's parameters; none of one that SageMaker will refuse."""
    try:
        request = json.loads(body or "{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}
