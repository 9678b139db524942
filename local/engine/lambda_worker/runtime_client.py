"""The `runtime_client` extension module that awslambdaric imports, in plain Python.

awslambdaric ships it for Linux only. One transport for every system means one that is tested; measured
on Linux it is as fast as the C one, because the connection is kept and answers are not held back.
"""

import http.client
import os
import sys

API = "/2018-06-01/runtime"
OPTIONAL_HEADERS = (
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
    "Content-Type",
)
# Written on a line of its own after an invocation's last log line; the engine's patches end the log there.
END_OF_LOG = "\x1e"
# No web page can send a header of its own to another address, and nobody else knows what is in this one.
WORKER_SECRET = "VEHICLEVISION_WORKER_SECRET"  # noqa: S105 - the name of a variable
WORKER_HEADER = "Vehiclevision-Worker"


class RuntimeClientError(RuntimeError):
    """The runtime API refused a call; this execution environment cannot go on."""


class _Connection:
    def __init__(self, address: str, user_agent: str) -> None:
        self._http = http.client.HTTPConnection(address)
        self._own = {"User-Agent": user_agent, WORKER_HEADER: os.environ.get(WORKER_SECRET, "")}

    def call(
        self, method: str, path: str, expected: int, body: bytes | None, headers: dict[str, str]
    ) -> tuple[bytes, http.client.HTTPMessage]:
        self._http.request(method, API + path, body, {**self._own, **headers})
        response = self._http.getresponse()
        answer = response.read()
        if response.status != expected:
            raise RuntimeClientError(f"The Lambda runtime API answered {response.status} to {method} {path}")
        return answer, response.headers


_connections: list[_Connection] = []


def initialize_client(user_agent: str) -> None:
    """Remember how to reach the runtime API; it is contacted by the first `next`."""
    _connections[:] = [_Connection(os.environ["AWS_LAMBDA_RUNTIME_API"], user_agent)]


def next() -> tuple[bytes, dict[str, str | int | None]]:  # noqa: A001 - the name awslambdaric calls
    """Wait for the next invocation: its payload and headers."""
    payload, headers = _connections[0].call("GET", "/invocation/next", 200, None, {})
    return payload, {
        "Lambda-Runtime-Aws-Request-Id": headers["Lambda-Runtime-Aws-Request-Id"],
        "Lambda-Runtime-Deadline-Ms": int(headers["Lambda-Runtime-Deadline-Ms"]),
        **{name: headers.get(name) for name in OPTIONAL_HEADERS},
    }


def post_invocation_result(invoke_id: str, payload: bytes, content_type: str, invocation_id: str | None = None) -> None:
    """Answer an invocation."""
    _end_log()
    _connections[0].call("POST", f"/invocation/{invoke_id}/response", 202, payload, {"Content-Type": content_type})


def post_error(invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Report that the handler raised."""
    _end_log()
    headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": "Unhandled"}
    _connections[0].call("POST", f"/invocation/{invoke_id}/error", 202, error.encode(), headers)


def _end_log() -> None:
    sys.stdout.write(f"{END_OF_LOG}\n")
    sys.stdout.flush()
