"""The server asks nobody for anything: no name is looked up and nothing is sent beyond this machine.

Watched from outside, by the system calls of all its threads and processes, because onnxruntime does it in C. Without
the variable that training/__init__.py sets it looks up a telemetry host within a second of being loaded.
"""

import http.client
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from training.artefact import DEFAULT_MODEL

# A telemetry client that waits before it speaks first would have spoken by then.
QUIET_SECONDS = 5.0
START_SECONDS = 60.0
ADDRESS = re.compile(r"sa_family=AF_INET6?.*?(?:inet_addr|inet_pton)\((?:AF_INET6, )?\"([^\"]+)\"")
LOOPBACK = re.compile(r"127\.|::1$|::$|0\.0\.0\.0$")


def traced(command: Sequence[str], trace: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a program with all that it sends written down; skips where that is not possible."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    if subprocess.run([strace, "-o", os.devnull, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return subprocess.Popen(
        [strace, "-f", "-qq", "-e", calls, "-o", str(trace), *command], env=dict(environment), start_new_session=True
    )


def beyond_this_machine(trace: Path) -> list[str]:
    """The system calls that name an address elsewhere."""
    lines = trace.read_text(errors="replace").splitlines()
    return [line for line in lines if (address := ADDRESS.search(line)) and not LOOPBACK.match(address[1])]


def test_what_goes_beyond_this_machine_is_seen(tmp_path: Path) -> None:
    """A datagram to an address that belongs to nobody."""
    program = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))"

    traced([sys.executable, "-c", program], tmp_path / "trace", os.environ).wait(60)

    assert len(beyond_this_machine(tmp_path / "trace")) == 1


def test_the_server_asks_nobody_for_anything(tmp_path: Path, root: Path) -> None:
    """From its start to its end, with pictures answered between; nothing is written below the home folder either."""
    model, home, trace = tmp_path / "model", tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    with tarfile.open(DEFAULT_MODEL) as packed:
        packed.extractall(model, filter="data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'functions'}",
        "SM_MODEL_DIR": str(model),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "VEHICLEVISION_HOST": "127.0.0.1",
    }

    process = traced([sys.executable, "-P", "-m", "serving.serve", "serve"], trace, environment)
    try:
        await_ping(port, process)
        answered = [ask(port, "POST", "/invocations", picture(side)) for side in (32, 224, 600)]
        time.sleep(QUIET_SECONDS)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)

    assert answered == [200, 200, 200]
    assert beyond_this_machine(trace) == []
    assert list(home.rglob("*")) == []


def await_ping(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        try:
            if ask(port, "GET", "/ping", b"") == 200:
                return
        except OSError:
            time.sleep(0.1)


def ask(port: int, method: str, path: str, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Content-Type": "image/png"})
    return connection.getresponse().status


def picture(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), "white").save(stream, "PNG")
    return stream.getvalue()
