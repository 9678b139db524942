"""The handlers under Lambda's own emulator: what `sam local invoke` runs in Docker, here without it."""

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

INVOKE = "/2015-03-31/functions/function/invocations"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def emulator(root: Path) -> Path:
    """The Lambda Runtime Interface Emulator that comes with the SAM CLI."""
    if sys.platform != "linux":
        pytest.skip("the emulator in the SAM CLI is a Linux program")
    found = list(root.glob(f".venv-sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{ARCHITECTURE}"))
    if not found:
        pytest.skip("the SAM CLI is not installed; `make setup` does it")
    return found[0]


@contextlib.contextmanager
def function(emulator: Path, root: Path, handler: str, scratch: Path, **settings: str) -> Iterator[str]:
    """One function behind the emulator, on a port of its own; gives the address to invoke it."""
    program = scratch / "rie"
    program.write_bytes(emulator.read_bytes())
    program.chmod(0o755)
    address, runtime = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))},
        "PYTHONPATH": str(root / "functions"),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "AWS_LAMBDA_FUNCTION_NAME": handler.split(".", maxsplit=1)[0],
        **settings,
    }
    command = [str(program), "--runtime-api-address", runtime, "--runtime-interface-emulator-address", address]
    process = subprocess.Popen(
        [*command, sys.executable, "-m", "awslambdaric", handler],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    host, _, port = address.partition(":")
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                break
            time.sleep(0.05)
        yield f"http://{address}{INVOKE}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def invoke(url: str, event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = requests.post(url, json=event, timeout=30).json()
    return answer


def test_filter_answers_like_a_lambda_function(emulator: Path, root: Path, tmp_path: Path) -> None:
    """A sure answer comes back as JSON; an unsure one as an error whose type is the class name that ASL matches."""
    event = json.loads((root / "events/filter_inferences.json").read_text())

    with function(emulator, root, "filter_inferences.app.lambda_handler", tmp_path, CONFIDENCE_THRESHOLD="0.7") as url:
        sure = invoke(url, event)
        unsure = invoke(url, {**event, "inferences": [0.4, 0.3]})
        nonsense = invoke(url, ["nonsense"])

    assert (sure["label"], sure["route"]) == ("bicycle", "nearby")
    assert unsure["errorType"] == "THRESHOLD_CONFIDENCE_NOT_MET"
    assert nonsense["errorType"] == "InvalidRequestError"


def test_classify_names_an_endpoint_that_is_down(emulator: Path, root: Path, tmp_path: Path) -> None:
    """With nothing listening, the sample event ends as EndpointUnavailableError, which is retried."""
    event = json.loads((root / "events/classify_image.json").read_text())
    nowhere = f"http://127.0.0.1:{free_port()}"

    with function(
        emulator,
        root,
        "classify_image.app.lambda_handler",
        tmp_path,
        ENDPOINT_NAME="vehiclevision",
        AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=nowhere,
    ) as url:
        answer = invoke(url, event)

    assert answer["errorType"] == "EndpointUnavailableError"


def test_serialize_names_storage_that_is_down(emulator: Path, root: Path, tmp_path: Path) -> None:
    """With no S3 in reach, the sample event ends as StorageUnavailableError, which is retried."""
    event = json.loads((root / "events/serialize_image.json").read_text())
    nowhere = f"http://127.0.0.1:{free_port()}"

    with function(emulator, root, "serialize_image.app.lambda_handler", tmp_path, AWS_ENDPOINT_URL_S3=nowhere) as url:
        answer = invoke(url, event)

    assert answer["errorType"] == "StorageUnavailableError"
