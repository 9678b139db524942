"""The way of a model through SageMaker, by the commands a person types: from data to an endpoint and back to nothing.

The same commands, the same code and the same requests as in AWS; only the account is on this machine.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli.main import main
from local import stack
from local.place import CHECKOUT
from tests.workflow.driver import Application, started
from training.artefact import DEFAULT_MODEL, Artefact, load_model, read_members, write_artefact

# The threshold that the shipped model brings along.
SHIPPED = load_model(DEFAULT_MODEL).manifest.threshold

# The commands are gone through in test_retraining.py, too, and updates under load in test_local_sagemaker.py.
pytestmark = pytest.mark.soak
IMAGES = 200
ERRORS_ALARM = "vehiclevision-endpoint-errors"
TRAINING_PYTHON = os.environ.get("VEHICLEVISION_TRAINING_PYTHON") or CHECKOUT / ".venv-training" / "bin" / "python"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Application]:
    """A local AWS of its own: at the end of the path there is no endpoint any more."""
    directory = tmp_path_factory.mktemp("path")
    aws = started(directory, root)
    try:
        yield Application(aws, dict(aws.outputs()))
    finally:
        stack.stop(directory)


@pytest.fixture
def command(application: Application, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """A command line; returns its exit code and what it printed, as JSON."""
    monkeypatch.setenv("VEHICLEVISION_DIRECTORY", str(application.aws.state_dir))

    def run(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        lines = captured.out.splitlines()
        return code, json.loads(lines[-1]) if lines else {"said": captured.err}

    return run


@dataclass
class Uploads:
    """Photos that keep coming, as riders send them."""

    application: Application
    photo: bytes
    sent: list[tuple[str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Uploads":
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        while len(self.sent) < IMAGES:
            time.sleep(0.05)
        self.ended.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.ended.is_set():
            key = f"uploads/flow-{len(self.sent):04}.png"
            self.sent.append((key, self.application.upload(key, self.photo)))
            time.sleep(0.05)

    def records(self) -> list[dict[str, Any]]:
        """What became of each."""
        found = [self.application.record(key, version) for key, version in self.sent]
        return [record for record in found if record is not None]


def photo() -> bytes:
    import io

    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def artefact(folder: Path, version: str) -> Path:
    """The shipped network under another name, so that it can be told who answered."""
    members = read_members(DEFAULT_MODEL)
    path = folder / version / "model.tar.gz"
    manifest = {**json.loads(members["manifest.json"]), "version": version}
    write_artefact(Artefact(members["model.onnx"], manifest), path)
    return path


def deployed(command: Any, *options: str) -> tuple[int, dict[str, Any]]:
    assert command("sagemaker", "approve", "--latest", "--yes", "--json")[0] == 0
    answer: tuple[int, dict[str, Any]] = command("sagemaker", "deploy", "--latest", "--yes", "--json", *options)
    return answer


def test_from_a_model_to_an_endpoint_and_back_to_nothing(
    application: Application, command: Any, tmp_path: Path
) -> None:
    """Register, approve, deploy, classify; update under load, none fails; a bad one goes back; nothing is left."""
    code, first = command("sagemaker", "register", "--model", artefact(tmp_path, "first"), "--json")
    assert (code, first["version"], first["status"]) == (0, 1, "PendingManualApproval")
    assert command("sagemaker", "deploy", "--latest", "--yes")[0] == 1
    code, answer = deployed(command)
    assert (code, answer["version"], answer["threshold"]) == (0, 1, SHIPPED)
    assert application.outcome("uploads/one.png", photo())["model_version"] == "first"

    command("sagemaker", "register", "--model", artefact(tmp_path, "second"), "--json")
    with Uploads(application, photo()) as uploads:
        code, answer = deployed(command)
    records = uploads.records()
    assert (code, answer["version"]) == (0, 2)
    assert len(records) >= IMAGES
    assert "FAILED" not in {record["outcome"] for record in records}
    assert {record["model_version"] for record in records} >= {"first"}
    assert application.outcome("uploads/two.png", photo())["model_version"] == "second"

    command("sagemaker", "register", "--model", artefact(tmp_path, "third"), "--json")
    code, said = rung(application, lambda: deployed(command))
    assert code == 1
    assert "took version 3 back" in said["said"]
    _, facts = command("sagemaker", "describe", "--json")
    assert (facts["endpoint_status"], facts["version"]) == ("InService", 2)
    assert [version["status"] for version in facts["versions"]] == ["Rejected", "Approved", "Approved"]
    assert application.outcome("uploads/three.png", photo())["model_version"] == "second"

    code, answer = command("sagemaker", "rollback", "--yes", "--json")
    assert (code, answer["version"]) == (0, 1)
    assert application.outcome("uploads/four.png", photo())["model_version"] == "first"

    code, answer = command("sagemaker", "teardown", "--yes", "--json")
    assert (code, answer["left"]) == (0, [])
    assert_nothing_left(application)
    assert command("sagemaker", "teardown", "--yes", "--json")[1]["found"] == []


def rung(application: Application, deploy: Any) -> tuple[int, dict[str, Any]]:
    """Deploy, and let the endpoint's alarm ring as soon as the update has begun."""
    cloudwatch, control = application.client("cloudwatch"), application.client("sagemaker")
    state = {"AlarmName": ERRORS_ALARM, "StateReason": "too many errors"}

    def ring() -> None:
        while control.describe_endpoint(EndpointName="vehiclevision")["EndpointStatus"] != "Updating":
            time.sleep(0.05)
        cloudwatch.set_alarm_state(**state, StateValue="ALARM")

    thread = threading.Thread(target=ring, daemon=True)
    thread.start()
    answer: tuple[int, dict[str, Any]] = deploy()
    thread.join()
    cloudwatch.set_alarm_state(**state, StateValue="OK")
    return answer


def assert_nothing_left(application: Application) -> None:
    """Asked of each service, not of the command."""
    control = application.client("sagemaker")
    endpoints = [each["EndpointName"] for each in control.list_endpoints()["Endpoints"]]
    configs = [control.describe_endpoint(EndpointName=name)["EndpointConfigName"] for name in endpoints]
    # The local AWS's own: what it serves before anybody has deployed anything.
    assert [name for name in configs if "shipped" not in name] == []
    for operation, entries in (
        ("list_models", "Models"),
        ("list_endpoint_configs", "EndpointConfigs"),
        ("list_model_package_groups", "ModelPackageGroupSummaryList"),
        ("list_training_jobs", "TrainingJobSummaries"),
    ):
        names = [str(each) for each in getattr(control, operation)()[entries]]
        assert [name for name in names if "shipped" not in name] == [], operation
    buckets = [bucket["Name"] for bucket in application.client("s3").list_buckets()["Buckets"]]
    roles = [role["RoleName"] for role in application.client("iam").list_roles()["Roles"]]
    groups = [group["logGroupName"] for group in application.client("logs").describe_log_groups()["logGroups"]]
    alarms = [alarm["AlarmName"] for alarm in application.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    assert [name for name in [*buckets, *roles] if "-sagemaker-" in name] == []
    assert "/aws/sagemaker/Endpoints/vehiclevision" not in groups
    assert ERRORS_ALARM not in alarms


@pytest.mark.skipif(not Path(TRAINING_PYTHON).exists(), reason="PyTorch is not installed: make test-training")
def test_from_pictures_to_a_registered_model(application: Application, command: Any, tmp_path: Path) -> None:
    """`own` really trains: staged data, a job under SageMaker's folders, a model that passes every check."""
    pictures(tmp_path / "pictures", ("bicycle", "motorcycle", "house"), 40)
    assert command("data", "transform", tmp_path / "pictures", "--out", tmp_path / "data", "--json")[0] == 0

    code, job = command("sagemaker", "train", "--data", tmp_path / "data", "--quick", "--yes", "--json")
    again = command("sagemaker", "train", "--quick", "--yes", "--json")[1]

    assert code == 0, job
    assert 0 <= job["metrics"]["validation:accuracy"] <= 1
    assert again["training_job"] == job["training_job"]
    code, version = command("sagemaker", "register", "--latest", "--json")
    assert code == 0, version
    assert version["training_job"] == job["training_job"]
    assert len(version["data_hash"]) == 64
    assert command("sagemaker", "teardown", "--yes", "--json")[1]["left"] == []
    assert_nothing_left(application)


def pictures(folder: Path, names: Sequence[str], count: int) -> None:
    """Noise of another colour for each class: enough to train on, too little to learn from."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for each in range(count):
            noise = np.random.default_rng(1000 * number + each).integers(0, 200, (32, 32, 3), np.uint8)
            noise[..., number] += 50
            Image.fromarray(noise).save(folder / name / f"{each}.png")
