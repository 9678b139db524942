"""What SageMaker asks of an inference container, answered for one model: GET /ping and POST /invocations.

What of it is plain HTTP (how a body is read, how an answer is sent) serves whoever else answers with a `Container`.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from serving.container import PREDICTING_THREADS, Container, ContainerError
from training.artefact import Model

MAX_PAYLOAD_BYTES: Final = 6 * 1024 * 1024
ANSWER_TYPE: Final = "application/json"
# One connection carries one request at a time: whoever has been the only one for longer than this asks alone.
ALONE_SECONDS: Final = 0.25
# Opaque to SageMaker in both directions: the caller's reach the container, the container's reach the caller.
CUSTOM_ATTRIBUTES: Final = "x-amzn-sagemaker-custom-attributes"

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class PayloadTooLargeError(ContainerError):
    """More than SageMaker hands to a container."""

    def __init__(self) -> None:
        super().__init__(413, f"HTTP content length exceeded {MAX_PAYLOAD_BYTES} bytes.")


class Server:
    """The ASGI application of a container."""

    def __init__(
        self, model: Model, threads: int = PREDICTING_THREADS, *, alone_seconds: float = ALONE_SECONDS
    ) -> None:
        self._model = model
        self._container = Container(threads)
        self._alone_seconds = alone_seconds
        self._caller: object = None
        self._caller_since = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            await send_answer(send, await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        match scope["method"], scope["path"]:
            case "GET", "/ping":
                return Answer(200, b"")
            case "POST", "/invocations":
                headers = headers_of(scope)
                try:
                    with self._container.in_hand(size_of(headers)):
                        body, alone = await read_body(receive, headers), self._is_alone(scope.get("client"))
                        return await predicted(self._container, self._model, body, headers, alone=alone)
                except ContainerError as error:
                    return Answer(error.status, error.message.encode(), {"content-type": "text/plain"})
        return Answer(404, b"There are /ping and /invocations here.", {"content-type": "text/plain"})

    def _is_alone(self, caller: object) -> bool:
        """Whether all that was asked of late came over one connection; a caller without an address is never alone."""
        now = time.monotonic()
        if caller != self._caller:
            self._caller, self._caller_since = caller, now
        return caller is not None and now - self._caller_since > self._alone_seconds


async def predicted(
    container: Container, model: Model, body: bytes, headers: Mapping[str, str], *, alone: bool = False
) -> Answer:
    """The model's answer to one request; ContainerError when it is refused."""
    asked = headers.get("content-type", ""), headers.get(CUSTOM_ATTRIBUTES, "")
    answer = await container.answer(model, body, *asked, alone=alone)
    # SageMaker hands the second header of a container on to whoever asked.
    named = {"content-type": ANSWER_TYPE, CUSTOM_ATTRIBUTES: f"model_version={model.manifest.version}"}
    return Answer(200, answer, named)


def headers_of(scope: Scope) -> dict[str, str]:
    """A request's headers by their names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def size_of(headers: Mapping[str, str]) -> int:
    """How many bytes of body a request may bring: what it declares, else as many as SageMaker takes."""
    declared = headers.get("content-length", "")
    return min(int(declared), MAX_PAYLOAD_BYTES) if declared.isdecimal() else MAX_PAYLOAD_BYTES


async def read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """The request's body; PayloadTooLargeError as soon as it is longer than SageMaker takes."""
    declared = headers.get("content-length", "0")
    body = b""
    too_long = declared.isdecimal() and int(declared) > MAX_PAYLOAD_BYTES
    while not too_long:
        message = await receive()
        body += message.get("body", b"")
        too_long = len(body) > MAX_PAYLOAD_BYTES
        if not message.get("more_body"):
            break
    if too_long:
        raise PayloadTooLargeError
    return body


async def send_answer(send: Send, answer: Answer) -> None:
    """Send an answer with its length."""
    headers = {"content-length": str(len(answer.body)), **answer.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})
