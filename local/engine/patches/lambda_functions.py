"""Lambda: how functions are started, told what to do, and heard."""

import contextlib
import contextvars
import hashlib
import hmac
import queue
import shutil
import socketserver
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.services import lambda_svc, stepfunctions, sts

from local.credentials import Credentials
from local.engine.lambda_worker.runtime_client import END_OF_LOG, WORKER_HEADER
from local.engine.scopes import known_as

# Beside a folder of unpacked code: all of it is there.
WHOLE: Final = ".whole"


def answer_runtime_api_at_once() -> None:
    """The Lambda runtime API writes headers and body apart; Nagle's algorithm holds the second back 40 ms."""
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True


def end_logs_at_the_mark() -> None:
    """After each invocation MiniStack waits 5 to 50 ms for log lines, and under load still misses some.

    The worker marks the end of each invocation's log, so the engine reads up to the mark and no further.
    """
    original = lambda_runtime.ProvidedWorker._drain_stderr_bounded

    def drain(worker: Any, *arguments: Any, **options: Any) -> str:
        if arguments or options:  # a failed start, where no mark comes
            return str(original(worker, *arguments, **options))
        return "\n".join(log_to_mark(worker._stderr_queue, patience_seconds=1.0))

    lambda_runtime.ProvidedWorker._drain_stderr_bounded = drain


def log_to_mark(lines: "queue.Queue[str]", patience_seconds: float) -> list[str]:
    """The lines up to the mark, or what came within the patience (a handler may end the process)."""
    said: list[str] = []
    deadline = time.monotonic() + patience_seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line.endswith(END_OF_LOG):
            return [*said, *filter(None, [line.removesuffix(END_OF_LOG)])]
        said.append(line)
    return said


def keep_unpacked_code() -> None:
    """After each start MiniStack deletes, within the first call, the code that it had unpacked, and unpacks it again.

    On a slow disk that takes ten seconds and more. What was unpacked to the end is used as it is.
    """
    unpack = lambda_svc._provided_runtime_code_dir

    def unpacked(code: bytes) -> str:
        sha = hashlib.sha256(code).hexdigest()
        folder = Path(lambda_svc._PROVIDED_CODE_CACHE, sha)
        whole = folder.with_suffix(WHOLE)
        if whole.exists() and folder.is_dir():
            lambda_svc._provided_code_dirs.setdefault(sha, str(folder))
        made = str(unpack(code))
        whole.touch()
        return made

    lambda_svc._provided_runtime_code_dir = unpacked


def hash_code_once() -> None:
    """Each save hashes the code of all functions, which takes longer than all the rest of it; their records say it."""
    externalize = lambda_svc._externalize_code_zip

    def name_if_written(record: dict[str, Any], referenced: set[str]) -> None:
        sha = lambda_svc._b64_sha_to_hex(record.get("config", {}).get("CodeSha256", ""))
        if record.get("code_zip") and Path(lambda_svc.CODE_BLOB_DIR, f"{sha}.zip").exists():
            record["code_zip"] = {lambda_svc._BLOB_REF_KEY: sha}
        externalize(record, referenced)

    lambda_svc._externalize_code_zip = name_if_written


def delete_old_code() -> None:
    """Delete unpacked code that no function has any more, put aside first, so that nobody finds half of it."""
    cache = Path(lambda_svc._PROVIDED_CODE_CACHE)
    kept = {blob.stem for blob in Path(lambda_svc.CODE_BLOB_DIR).glob("*.zip")}
    for folder in [each for each in cache.glob("*") if each.is_dir() and each.name not in kept]:
        folder.with_suffix(WHOLE).unlink(missing_ok=True)
        with lambda_svc._provided_code_lock:
            aside = folder.rename(folder.with_suffix(".old"))
        shutil.rmtree(aside, ignore_errors=True)


class Turns:
    """At most so many at a time for each name; the rest wait, first come first served.

    A turn taken within a turn for the same name is the same turn, and ends with the inner one: a state that times out
    goes on without its function, which is still running and still counts.
    """

    def __init__(self, at_a_time: int) -> None:
        self._semaphores: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(at_a_time))
        self._lock = threading.Lock()
        # The names of turns that whoever is called meanwhile may take over.
        self._offered: contextvars.ContextVar[dict[str, bool]] = contextvars.ContextVar("turns on offer")

    @contextlib.contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Wait for a turn and hold it."""
        with self._lock:
            semaphore = self._semaphores[name]
        if not self._offered.get({}).pop(name, False):
            semaphore.acquire()
        offered = {name: True}
        try:
            with known_as(self._offered, offered):
                yield
        finally:
            if offered.pop(name, False):
                semaphore.release()


def queue_invocations(workers_per_function: int) -> None:
    """MiniStack starts one interpreter for each concurrent invocation: 50 uploads bring a laptop down.

    Here at most N invocations of a function run and the rest wait. A state's time-out begins with its
    turn, because in AWS, where nothing waits, it would begin then too.
    """
    turns = Turns(workers_per_function)
    invoke = lambda_svc._execute_function_provided_warm
    invoke_within = stepfunctions._invoke_resource_with_timeout

    def invoke_in_turn(function: dict[str, Any], event: Any, request_id: str) -> Any:
        config = function.get("config") or function
        with turns.take(config.get("FunctionName", "")):
            return invoke(function, event, request_id)

    def invoke_within_in_turn(resource: str, input_data: Any, timeout: float) -> Any:
        name = invoked_function(resource, input_data)
        with turns.take(name) if name else contextlib.nullcontext():
            return invoke_within(resource, input_data, timeout)

    lambda_svc._execute_function_provided_warm = invoke_in_turn
    stepfunctions._invoke_resource_with_timeout = invoke_within_in_turn


def name_throttling() -> None:
    """A throttled call of a workflow fails as Lambda.Unknown; AWS's name for it is one that workflows retry."""
    throttled = lambda_svc._throttle_response

    def named(*arguments: Any, **options: Any) -> Any:
        answer = throttled(*arguments, **options)
        answer["body"]["errorType"] = "Lambda.TooManyRequestsException"
        return answer

    lambda_svc._throttle_response = named


def invoked_function(resource: str, input_data: Any) -> str:
    """The name of the function a task state calls, or nothing when it calls none."""
    if "states:::lambda:invoke" in resource and isinstance(input_data, dict):
        reference = str(input_data.get("FunctionName", ""))
    elif ":lambda:" in resource:
        reference = resource
    else:
        return ""
    return reference.split(":function:", 1)[-1].split(":", 1)[0]


def keep_functions_keys_secret(root: Credentials) -> None:
    """MiniStack makes the key of a function's role, secret and all, from the names of both, which a template says."""
    original = lambda_runtime.execution_credentials

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        made = dict(original(config))
        key = made["AWS_ACCESS_KEY_ID"]
        made |= {"AWS_SECRET_ACCESS_KEY": root.derived(key), "AWS_SESSION_TOKEN": root.derived(f"token of {key}")}
        sts._sessions[key] |= {"SecretAccessKey": root.derived(key), "SessionToken": made["AWS_SESSION_TOKEN"]}
        return made

    # Both modules hold it by name.
    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = credentials


def ask_workers_for_their_secret(root: Credentials) -> None:
    """The runtime API of each worker listens on a port of its own, and hands work to whoever asks for it first."""
    original = lambda_runtime.ProvidedWorker._build_handler_class
    secret = root.worker_secret.encode()

    def build(worker: Any, *arguments: Any, **options: Any) -> Any:
        class Guarded(original(worker, *arguments, **options)):  # type: ignore[misc]
            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                if not hmac.compare_digest(self.headers.get(WORKER_HEADER, "").encode(), secret):
                    self.send_error(403)
                    return False
                return True

        return Guarded

    lambda_runtime.ProvidedWorker._build_handler_class = build
