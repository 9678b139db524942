"""SageMaker's control plane on loopback: the API that creates jobs, models, endpoints and versions.

Run as `python -m local.sagemaker.control.server …`. It answers at once; what an answer needs is loaded after that, and
botocore's model of the service, which is large, with the first request.
"""

import asyncio
import json
import os
import sys
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from local import processes
from local.door import Receive, Scope, Send, answer, read
from local.sagemaker import servers
from local.sagemaker.control.errors import ServiceError
from local.sagemaker.control.settings import Settings
from local.sagemaker.listening import listen

if TYPE_CHECKING:
    from local.sagemaker.control.service import Service

MAX_BODY_BYTES = 4 * 1024 * 1024
REQUESTS_AT_A_TIME = 16
CONTENT_TYPE = b"application/x-amz-json-1.1"


class Control:
    """The ASGI application."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._pool = ThreadPoolExecutor(REQUESTS_AT_A_TIME, thread_name_prefix="request")
        self._service: Future[Service] = Future()
        threading.Thread(target=self._load, args=(directory, settings), daemon=True, name="load").start()

    def _load(self, directory: Path, settings: Settings) -> None:
        try:
            from local.sagemaker.control.operations import make_service  # noqa: PLC0415 - half a second

            self._service.set_result(make_service(directory, settings))
        except BaseException as error:
            self._service.set_exception(error)
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            status, text = await self._answer(scope["method"], scope["path"], headers, receive)
        except ServiceError as error:
            status, text = error.status, json.dumps({"__type": error.code, "message": error.message})
        request_id = (b"x-amzn-requestid", str(uuid.uuid4()).encode())
        await answer(send, status, text, [(b"content-type", CONTENT_TYPE), request_id])

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], receive: Receive) -> tuple[int, str]:
        if method == "GET" and path == "/ping":
            return 200, "{}"
        target = headers.get("x-amz-target", "")
        if method != "POST" or "." not in target:
            raise ServiceError("UnknownOperationException", f"There is no {method} {target[:100] or path[:100]} here.")
        body = await read(receive, MAX_BODY_BYTES)
        if body is None:
            raise ServiceError("RequestEntityTooLargeException", f"A request has at most {MAX_BODY_BYTES} bytes.", 413)
        return 200, await asyncio.get_running_loop().run_in_executor(self._pool, self._perform, target, body)

    def _perform(self, target: str, body: bytes) -> str:
        from local.sagemaker.control import aws, protocol  # noqa: PLC0415 - loaded with the first request
        from local.sagemaker.control.operations import APIS  # noqa: PLC0415

        service = self._service.result()
        prefix, _, operation = target.partition(".")
        name, operations = APIS.get(prefix, ("", {}))
        perform = operations.get(operation)
        if perform is None:
            known = ", ".join(sorted(operations or APIS))
            message = f"The local SageMaker has no {target[:100]}. It knows {known}."
            raise ServiceError("UnknownOperationException", message)
        model = protocol.load_model(name)
        request = protocol.parse(model, operation, body)
        try:
            return protocol.compose(model, operation, perform(service, request))
        except aws.FAULTS as error:
            message = f"The local AWS engine, which holds the buckets, does not answer: {error}"
            raise ServiceError("ServiceUnavailable", message, 503) from error


def main(arguments: list[str]) -> None:
    """Serve until told to stop."""
    directory, port = processes.begin(arguments, servers.control)
    control = Control(directory, Settings.from_environment(os.environ))
    try:
        listen(control, directory, port)
    finally:
        processes.end_group(0)


if __name__ == "__main__":
    main(sys.argv[1:])
