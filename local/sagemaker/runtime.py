"""SageMaker's runtime on loopback: InvokeEndpoint as AWS answers it, errors included."""

import asyncio
import json
import random
import sys
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from local import processes
from local.place import CHECKOUT, REGION
from local.sagemaker import engine, servers
from local.sagemaker.capture import Capture, Exchange
from local.sagemaker.listening import listen
from local.sagemaker.metrics import SERVER_ERROR, Invocation, Metrics
from serving.container import PREDICTING_THREADS, Container, ContainerError
from serving.server import (
    ANSWER_TYPE,
    Answer,
    PayloadTooLargeError,
    Receive,
    Scope,
    Send,
    headers_of,
    predicted,
    read_body,
    send_answer,
    size_of,
)
from training.artefact import Model, load_model
from training.errors import ModelRefusedError

ACCOUNT = "000000000000"


class ServiceError(Exception):
    """An error as SageMaker's runtime reports it; a code of "" leaves the HTTP status to speak."""

    def __init__(self, status: int, code: str, message: str, **details: str | int) -> None:
        super().__init__(message)
        self.answer = Answer(
            status,
            json.dumps({"message": message, "Message": message, **details}).encode(),
            {"content-type": "application/json", **({"x-amzn-errortype": code} if code else {})},
        )


# ---- which models are served ---------------------------------------------------------------------


class Models:
    """The endpoints of the state file, each with its model; both are read again when they change."""

    def __init__(self, endpoints_file: Path) -> None:
        self._file = endpoints_file
        self._loaded: dict[Path, tuple[tuple[int, int], Model]] = {}

    def endpoints(self) -> Mapping[str, Mapping[str, Any]]:
        """Endpoint names with what they serve; see local/sagemaker/runtime_process.py."""
        return servers.served(self._file)

    def model(self, variant: Mapping[str, Any]) -> Model:
        """The model of a variant, ready to predict."""
        loaded = self.loaded(variant)
        if loaded is None:
            path = CHECKOUT / variant["model"]
            stamp = stamp_of(path)
            if stamp is None:
                raise ModelRefusedError(f"The model {path} is not there.")
            loaded = load_model(path)
            self._loaded[path] = (stamp, loaded)
            used = {CHECKOUT / each["model"] for endpoint in self.endpoints().values() for each in endpoint["variants"]}
            for unused in self._loaded.keys() - used - {path}:
                del self._loaded[unused]
        return loaded

    def loaded(self, variant: Mapping[str, Any]) -> Model | None:
        """The variant's model, unless it must first be loaded."""
        path = CHECKOUT / variant["model"]
        stamp, model = self._loaded.get(path, (None, None))
        return model if stamp is not None and stamp == stamp_of(path) else None


def chosen(endpoint: Mapping[str, Any], name: str | None) -> Mapping[str, Any] | None:
    """The variant that answers: one by chance as their weights say, of those with the name if one is wanted."""
    among: list[Mapping[str, Any]] = [each for each in endpoint["variants"] if name in (None, each["name"])]
    weights = [float(variant["weight"]) for variant in among]
    if len(among) < 2:
        return among[0] if among else None
    # Which of two models answers is no secret.
    return random.choices(among, weights if sum(weights) else None)[0]  # noqa: S311


def stamp_of(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None when there is no file."""
    try:
        file = path.stat()
    except OSError:
        return None
    return file.st_mtime_ns, file.st_size


# ---- the service ---------------------------------------------------------------------------------


class Runtime:
    """The ASGI application."""

    def __init__(
        self,
        models: Models,
        capture: Capture | None = None,
        metrics: Metrics | None = None,
        threads: int = PREDICTING_THREADS,
    ) -> None:
        self._models = models
        self._capture = capture
        self._metrics = metrics
        self.container = Container(threads)
        # One thread, so that requests that come together load a model once.
        self._loading = ThreadPoolExecutor(1, "load")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._route(scope, headers_of(scope), receive)
        except ServiceError as error:
            answer = error.answer
        headers = {"x-amzn-requestid": str(uuid.uuid4()), **answer.headers}
        await send_answer(send, Answer(answer.status, answer.body, headers))

    async def _route(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"]
        match method, path.split("/")[1:]:
            case "GET", ["ping"]:
                return Answer(200, b"")
            case "POST", ["endpoints", name, "invocations"]:
                return await self._invoke_endpoint(unquote(name), headers, receive)
            case "POST", ["flush-captured-data"] if self._capture is not None:
                await asyncio.to_thread(self._capture.flush)
                return Answer(200, b"")
        raise ServiceError(404, "UnknownOperationException", f"There is no {method} {path[:200]} here.")

    async def _invoke_endpoint(self, name: str, headers: Mapping[str, str], receive: Receive) -> Answer:
        begun = time.perf_counter()
        try:
            with self.container.in_hand(size_of(headers)):
                return await self._ask(name, await read_body(receive, headers), headers, begun)
        except PayloadTooLargeError as error:
            raise ServiceError(error.status, "", error.message) from error
        except ContainerError as error:
            raise model_error(name, error) from error

    async def _ask(self, name: str, body: bytes, headers: Mapping[str, str], begun: float) -> Answer:
        endpoint = self._models.endpoints().get(name)
        if endpoint is None:
            raise ServiceError(400, "ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        variant_name = headers.get("x-amzn-sagemaker-target-variant")
        variant = chosen(endpoint, variant_name)
        if variant is None:
            raise ServiceError(400, "ValidationError", f"Variant {variant_name} not found for Endpoint {name}.")
        answer = await self._counted(name, variant, body, headers, begun)
        if self._capture is not None and "capture" in endpoint:
            sides = (headers.get("content-type", ""), body, ANSWER_TYPE, answer.body)
            inference_id = headers.get("x-amzn-sagemaker-inference-id", "")
            self._capture.sample(Exchange(name, variant["name"], endpoint["capture"], *sides, inference_id))
        return Answer(200, answer.body, {**answer.headers, "x-amzn-invoked-production-variant": variant["name"]})

    async def _counted(
        self, name: str, variant: Mapping[str, Any], body: bytes, headers: Mapping[str, str], begun: float
    ) -> Answer:
        """The variant's answer, or its error, and CloudWatch is told which."""
        asked, status = time.perf_counter(), SERVER_ERROR
        try:
            model = await self._model(variant)
            answer = await predicted(self.container, model, body, headers)
            status = answer.status
        except ModelRefusedError as error:
            print(error.message, file=sys.stderr, flush=True)
            raise ServiceError(503, "ServiceUnavailable", f"Endpoint {name} has no usable model.") from error
        except ContainerError as error:
            status = error.status
            raise
        finally:
            if self._metrics is not None:
                took = time.perf_counter() - asked
                self._metrics.take(Invocation(name, variant["name"], status, took, asked - begun))
        return answer

    async def _model(self, variant: Mapping[str, Any]) -> Model:
        loaded = self._models.loaded(variant)
        if loaded is not None:
            return loaded
        return await asyncio.get_running_loop().run_in_executor(self._loading, self._models.model, variant)


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
    directory, port = processes.begin(arguments, servers.runtime)
    ask = partial(engine.call, directory)
    capture, metrics = Capture(ask), Metrics(ask)
    runtime = Runtime(Models(servers.endpoints_file(directory)), capture, metrics)
    try:
        listen(runtime, directory, port)
    finally:
        capture.stop()
        metrics.stop()
        processes.end_group(0)


if __name__ == "__main__":
    main(sys.argv[1:])
