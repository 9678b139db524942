"""The serving image without Docker: the same program, on the files of the image alone, under SageMaker's contract."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle import serving_image
from serving.container import ACTIVATION_MAP
from tests.unit.pictures import encoded, quarters
from training.artefact import DEFAULT_MODEL, load_model, parse_manifest, read_members
from training.session import gives_maps
from vehiclevision.image_gate import normalise

START_SECONDS = 120.0


@dataclass
class Running:
    """A started container."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self, method: str, path: str, body: bytes = b"", content_type: str = "image/png", attributes: str = ""
    ) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": content_type, "X-Amzn-SageMaker-Custom-Attributes": attributes}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("x-amzn-sagemaker-custom-attributes", "")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's /app: what the Dockerfile copies of the build's source, and nothing else of the checkout."""
    folder = tmp_path_factory.mktemp("app")
    for name, content in serving_image.context().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def start(image: Path, model: Path) -> Running:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{image}{os.pathsep}{image / 'functions'}",
        "SM_MODEL_DIR": str(model),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "VEHICLEVISION_HOST": "127.0.0.1",
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "serving.serve", "serve"],
        cwd=image,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Running(process, port)


def children(pid: int) -> list[int]:
    """The processes that a process started, oldest first, without those that have ended."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return sorted(int(own) for own, parent, state in rows if int(parent) == pid and not state.startswith("Z"))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/opt/ml/model as SageMaker unpacks it: read-only, with whatever else lay in the archive."""
    folder = tmp_path_factory.mktemp("model")
    with tarfile.open(DEFAULT_MODEL) as tar:
        tar.extractall(folder, filter="data")
    (folder / "code").mkdir()
    folder.chmod(0o555)
    return folder


@pytest.fixture(scope="module")
def container(image: Path, model: Path) -> Iterator[Running]:
    running = start(image, model)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if running.ask("GET", "/ping")[0] == 200:
                break
        except OSError:
            assert running.process.poll() is None, running.process.stdout
            time.sleep(0.1)
    yield running
    running.process.terminate()
    running.process.wait(25)


def test_it_answers_as_sagemaker_asks(container: Running) -> None:
    """/ping is 200; /invocations takes JPEG, PNG and application/x-image, gives two probabilities and its version."""
    version = parse_manifest(read_members(DEFAULT_MODEL)["manifest.json"]).version

    assert container.ask("GET", "/ping")[0] == 200
    for kind, content_type in (("JPEG", "image/jpeg"), ("PNG", "image/png"), ("PNG", "application/x-image")):
        status, body, attributes = container.ask("POST", "/invocations", encoded(quarters(), kind), content_type)

        found = json.loads(body)
        assert status == 200
        assert len(found) == 2
        assert all(0 <= each <= 1 for each in found)
        assert attributes == f"model_version={version}"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"no picture", "image/png", 400), (b"", "image/png", 400), (b"x", "text/csv", 415)],
)
def test_it_refuses_what_is_no_picture(container: Running, body: bytes, content_type: str, status: int) -> None:
    """A bad request is the caller's fault, by its status, and the container lives on."""
    assert container.ask("POST", "/invocations", body, content_type)[0] == status
    assert container.ask("GET", "/ping")[0] == 200


def test_sigterm_ends_it(image: Path, model: Path) -> None:
    """SageMaker ends a container with SIGTERM and waits 30 s: it is gone well before."""
    running = start(image, model)
    assert running.process.stdout is not None
    assert running.process.stdout.readline().startswith("Serving model ")
    time.sleep(1)

    workers = children(running.process.pid)

    running.process.send_signal(signal.SIGTERM)

    running.process.wait(25)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and any(alive(pid) for pid in workers):
        time.sleep(0.1)
    assert not [pid for pid in workers if alive(pid)]


def test_it_says_where_it_looked_if_asked(container: Running) -> None:
    """The shipped model does; what is sent is what the workflow sends."""
    jpeg = normalise(encoded(quarters(), "PNG")).jpeg
    assert gives_maps(load_model(DEFAULT_MODEL).session)

    status, body, _ = container.ask("POST", "/invocations", jpeg, "image/jpeg", ACTIVATION_MAP)

    answer = json.loads(body)
    assert status == 200
    assert answer["probabilities"] == json.loads(container.ask("POST", "/invocations", jpeg, "image/jpeg")[1])
    assert len(answer["activation_map"]) == 2


def test_a_process_that_dies_is_replaced(container: Running) -> None:
    """Killed as for want of memory, it costs no more than the requests that it had: what is asked next waits."""
    before = children(container.process.pid)
    os.kill(before[-1], signal.SIGKILL)

    for _ in range(5):
        assert container.ask("POST", "/invocations", encoded(quarters(), "PNG"))[0] == 200
    assert before[-1] not in children(container.process.pid)


def test_without_a_model_it_ends_with_a_sentence(image: Path, tmp_path: Path) -> None:
    """An empty /opt/ml/model is said in the log, and the endpoint's creation fails at once instead of in an hour."""
    running = start(image, tmp_path)

    said, _ = running.process.communicate(timeout=60)

    assert running.process.returncode == 1
    assert "manifest.json cannot be read" in said
    assert "Traceback" not in said


def test_the_image_is_named_after_what_is_in_it() -> None:
    """Another file, another tag; another processor, another tag; the same files, the same zip."""
    files = serving_image.context()
    changed = {**files, "serving/serve.py": b"changed"}

    tags = {serving_image.tag(files, "x86_64"), serving_image.tag(files, "arm64"), serving_image.tag(changed, "x86_64")}

    assert len(tags) == 3
    assert serving_image.archive(files) == serving_image.archive(dict(reversed(files.items())))


def test_the_image_holds_nothing_of_the_emulator() -> None:
    """It is built from the server, what the server imports of training, and the product; so nothing else names it."""
    files = serving_image.context()

    rooms = {name.split("/")[0] for name in files}
    trained = {name for name in files if name.startswith("training/")}
    assert rooms == {"serving", "training", "functions", "requirements"}
    assert trained == {f"training/{stem}.py" for stem in ("__init__", "artefact", "errors", "session")}


def test_the_dockerfile_is_modest(root: Path) -> None:
    """Each COPY has a source in the build's archive, it runs as root as SageMaker wants, and packages come by hash."""
    lines = (root / serving_image.DOCKERFILE).read_text().splitlines()
    sources = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    files = serving_image.context()

    for each in sources:
        stem = each.rstrip("/").removesuffix("*.py")
        assert any(name.startswith(stem) for name in files), each
    assert not [line for line in lines if line.startswith("USER")]
    assert any("--require-hashes" in line for line in lines)
