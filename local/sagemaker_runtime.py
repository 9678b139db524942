"""SageMaker's runtime on loopback: InvokeEndpoint as AWS answers it, errors included.

The same server is a SageMaker inference container: GET /ping and POST /invocations.
"""

import argparse
import asyncio
import io
import json
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import uvicorn
from PIL import Image

from local import processes
from local.engine import CHECKOUT, REGION
from local.errors import ModelRefusedError
from local.model import Images, Model, load_model
from local.processes import HOST
from local.sagemaker import DEFAULT_ENDPOINTS, IN_SERVICE, endpoints_file, server
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import normalise
from vehiclevision.labels import MODEL_INPUT_SIDE

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
MAX_PREDICTIONS_AT_A_TIME = 2
CONTENT_TYPES = frozenset({"image/png", "image/jpeg", "application/x-image"})
VARIANT = "AllTraffic"
ACCOUNT = "000000000000"
# First bytes of a PNG of the model's own size in 8-bit RGB: it has been through the image gate already.
READY_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + MODEL_INPUT_SIDE.to_bytes(4, "big") * 2 + b"\x08\x02"

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class ServiceError(Exception):
    """An error as SageMaker's runtime reports it; a code of "" leaves the HTTP status to speak."""

    def __init__(self, status: int, code: str, message: str, **details: str | int) -> None:
        super().__init__(message)
        self.answer = Answer(
            status,
            json.dumps({"message": message, "Message": message, **details}).encode(),
            {"content-type": "application/json", **({"x-amzn-errortype": code} if code else {})},
        )


class ContainerError(Exception):
    """The model container answers with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


# ---- the container: what a model image does ------------------------------------------------------


def decode(data: bytes, content_type: str) -> Images:
    """The picture as the model takes it, or the refusal a container would give."""
    if content_type.split(";", maxsplit=1)[0].strip().lower() not in CONTENT_TYPES:
        raise ContainerError(415, f"content type {content_type[:80]!r} is not supported")
    try:
        png = data if data.startswith(READY_PNG) else normalise(data).png
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (InvalidImageError, OSError, ValueError, SyntaxError) as error:
        raise ContainerError(400, f"unable to decode the image: {error}") from error


def predict(model: Model, data: bytes, content_type: str) -> list[float]:
    """The container's whole work on one request."""
    return [float(value) for value in model.predict(decode(data, content_type)[np.newaxis])[0]]


# ---- which models are served ---------------------------------------------------------------------


class Models:
    """The endpoints of the state file, each with its model; both are read again when they change."""

    def __init__(self, endpoints_file: Path) -> None:
        self._file = endpoints_file
        self._loaded: dict[Path, tuple[tuple[int, int], Model]] = {}

    def endpoints(self) -> dict[str, dict[str, str]]:
        """Endpoint names with their model and status."""
        found = processes.read_json(self._file).get("endpoints")
        return found if isinstance(found, dict) else DEFAULT_ENDPOINTS

    def model(self, endpoint: Mapping[str, str]) -> Model:
        """The endpoint's model, ready to predict."""
        path = CHECKOUT / endpoint.get("model", "")
        try:
            stat = path.stat()
        except OSError as error:
            raise ModelRefusedError(f"The model {path} is not there.") from error
        stamp = (stat.st_mtime_ns, stat.st_size)
        loaded = self._loaded.get(path)
        if loaded is None or loaded[0] != stamp:
            loaded = (stamp, load_model(path))
            self._loaded[path] = loaded
        return loaded[1]


# ---- the service ---------------------------------------------------------------------------------


class Runtime:
    """The ASGI application."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._pool = ThreadPoolExecutor(MAX_PREDICTIONS_AT_A_TIME, thread_name_prefix="predict")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request_id = str(uuid.uuid4())
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._route(scope["method"], scope["path"], headers, receive)
        except ServiceError as error:
            answer = error.answer
        except ContainerError as error:
            answer = Answer(error.status, error.message.encode(), {"content-type": "text/plain"})
        sent = {"content-length": str(len(answer.body)), "x-amzn-requestid": request_id, **answer.headers}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    async def _route(self, method: str, path: str, headers: Mapping[str, str], receive: Receive) -> Answer:
        match method, path.split("/")[1:]:
            case "GET", ["ping"]:
                return await self._ping()
            case "POST", ["invocations"]:
                return await self._invoke_container(headers, receive)
            case "POST", ["endpoints", name, "invocations"]:
                return await self._invoke_endpoint(unquote(name), headers, receive)
        raise ServiceError(404, "UnknownOperationException", f"There is no {method} {path[:200]} here.")

    async def _ping(self) -> Answer:
        try:
            await self._in_pool(self._models.model, next(iter(self._models.endpoints().values()), {}))
        except ModelRefusedError as error:
            return Answer(503, error.message.encode(), {"content-type": "text/plain"})
        return Answer(200, b"", {})

    async def _invoke_container(self, headers: Mapping[str, str], receive: Receive) -> Answer:
        endpoint = next(iter(self._models.endpoints().values()), {})
        try:
            model = await self._in_pool(self._models.model, endpoint)
        except ModelRefusedError as error:
            raise ContainerError(503, error.message) from error
        body = await read_body(receive, headers)
        probabilities = await self._in_pool(predict, model, body, headers.get("content-type", ""))
        return Answer(200, json.dumps(probabilities).encode(), {"content-type": "application/json"})

    async def _invoke_endpoint(self, name: str, headers: Mapping[str, str], receive: Receive) -> Answer:
        if not headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            raise ServiceError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        body = await read_body(receive, headers)
        endpoint = self._models.endpoints().get(name)
        if endpoint is None:
            raise ServiceError(400, "ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        variant = headers.get("x-amzn-sagemaker-target-variant", VARIANT)
        if variant != VARIANT:
            raise ServiceError(400, "ValidationError", f"Variant {variant} not found for Endpoint {name}.")
        if endpoint.get("status", IN_SERVICE) != IN_SERVICE:
            raise ServiceError(503, "ServiceUnavailable", f"Endpoint {name} is {endpoint.get('status')}.")
        try:
            model = await self._in_pool(self._models.model, endpoint)
            probabilities = await self._in_pool(predict, model, body, headers.get("content-type", ""))
        except ModelRefusedError as error:
            print(error.message, file=sys.stderr, flush=True)
            raise ServiceError(503, "ServiceUnavailable", f"Endpoint {name} has no usable model.") from error
        except ContainerError as error:
            raise model_error(name, error) from error
        return Answer(
            200,
            json.dumps(probabilities).encode(),
            {
                "content-type": "application/json",
                "x-amzn-invoked-production-variant": VARIANT,
                "x-amzn-sagemaker-custom-attributes": f"model_version={model.manifest.version}",
            },
        )

    async def _in_pool(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


async def read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """The request's body, refused as soon as it is longer than SageMaker takes."""
    declared = headers.get("content-length", "0")
    found = b""
    too_long = declared.isdigit() and int(declared) > MAX_PAYLOAD_BYTES
    while not too_long:
        message = await receive()
        found += message.get("body", b"")
        too_long = len(found) > MAX_PAYLOAD_BYTES
        if not message.get("more_body"):
            break
    if too_long:
        raise ServiceError(413, "", f"HTTP content length exceeded {MAX_PAYLOAD_BYTES} bytes.")
    return found


def model_error(endpoint: str, error: ContainerError) -> ServiceError:
    """SageMaker's ModelError for a container that answered with an error status."""
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    console = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}#logEventViewer:group={group}"
    kind = "client" if error.status < 500 else "server"
    return ServiceError(
        424,
        "ModelError",
        f'Received {kind} error ({error.status}) from primary with message "{error.message}". '
        f"See {console} in account {ACCOUNT} for more information.",
        OriginalStatusCode=error.status,
        OriginalMessage=error.message,
        LogStreamArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{quote(group, safe='/')}",
    )


# ---- the process ---------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.sagemaker_runtime")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    options = parser.parse_args(arguments)
    processes.serve_alone(server(options.directory), {"port": options.port})
    processes.follow(options.lifeline)
    runtime = Runtime(Models(endpoints_file(options.directory)))
    try:
        uvicorn.run(
            runtime,
            host=HOST,
            port=options.port,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    finally:
        processes.end_group(0)


if __name__ == "__main__":
    main(sys.argv[1:])
