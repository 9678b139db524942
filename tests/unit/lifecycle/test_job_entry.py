"""What runs in the training container: between SageMaker's folders, with SageMaker's options."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from lifecycle import entry, jobs, runs, source
from lifecycle.errors import SageMakerStepError
from training.artefact import DEFAULT_MODEL


@pytest.fixture
def container(tmp_path: Path) -> dict[str, str]:
    """SageMaker's folders in the variables that its toolkit sets."""
    (tmp_path / "data").mkdir()
    return {
        "SM_CHANNEL_TRAINING": str(tmp_path / "data"),
        "SM_MODEL_DIR": str(tmp_path / "model"),
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "output"),
        "SM_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
    }


class Training:
    """Stands in for training.train, which takes hours: writes what it writes, and keeps what it was told."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.given: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        self.given = list(arguments)
        out = Path(arguments[arguments.index("--out") + 1])
        if self.code == 0:
            (out / "model.tar.gz").write_bytes(DEFAULT_MODEL.read_bytes())
            (out / "run.json").write_text("{}")
        return self.code


def test_a_job_leaves_the_model_where_sagemaker_collects_it(
    container: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The two members lie in the model's folder, the record beside the output, and the metric is in the log."""
    train = Training()

    code = entry.main(["--quick", "1", "--seed", "3", "--data-hash", "ab", "--_tuning", "x"], container, train)

    assert code == 0
    assert sorted(path.name for path in Path(container["SM_MODEL_DIR"]).iterdir()) == ["manifest.json", "model.onnx"]
    assert (Path(container["SM_OUTPUT_DATA_DIR"]) / "run.json").exists()
    assert train.given == [
        "--data", container["SM_CHANNEL_TRAINING"], "--out", container["SM_CHECKPOINT_DIR"],
        "--seed", "3", "--data-hash", "ab", "--quick",
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert float(printed.split("validation:accuracy=")[1]) == pytest.approx(0.9467, abs=0.1)


def test_with_a_champion_the_very_model_is_compared_that_is_handed_on(container: dict[str, str]) -> None:
    """Retraining: training gets the reviewed pictures and, where it is quick, the champion to begin at; both models go
    to the comparison, the artefact to the output."""
    given: list[str] = []

    def compare(arguments: Sequence[str]) -> int:
        given.extend(arguments)
        return 0

    channels = {"SM_CHANNEL_REVIEWED": "/r", "SM_CHANNEL_HELDOUT": "/h", "SM_CHANNEL_CHAMPION": "/c"}
    train, output = Training(), Path(container["SM_OUTPUT_DATA_DIR"])

    arguments = ["--threshold", "0.856", "--sure-share", "0.05", "--least", "30", "--quick", "true"]
    code = entry.main(arguments, {**container, **channels}, train, compare)

    assert code == 0
    begins = ["--quick", "--champion", "/c/model.tar.gz"]
    assert train.given[-7:] == ["--reviewed", "/r", "--held-out", "/h", *begins]
    assert given == [
        "--champion", "/c/model.tar.gz", "--challenger", str(output / "model.tar.gz"),
        "--data", container["SM_CHANNEL_TRAINING"], "--held-out", "/h", "--threshold", "0.856",
        "--sure-share", "0.05", "--least", "30", "--out", str(output / "comparison.json"),
    ]  # fmt: skip
    assert (output / "model.tar.gz").read_bytes() == DEFAULT_MODEL.read_bytes()


def test_without_a_champion_nothing_is_compared(container: dict[str, str]) -> None:
    """The first training has nothing to be held against."""

    def compare(arguments: Sequence[str]) -> int:
        raise AssertionError(arguments)

    assert entry.main([], container, Training(), compare) == 0


def test_the_metric_that_is_printed_is_the_metric_that_is_read() -> None:
    """SageMaker finds the figure with the job's own pattern."""
    import re

    (definition,) = jobs.OWN_METRICS

    found = re.search(definition["Regex"], "validation:accuracy=0.9467")

    assert found is not None
    assert found.group(1) == "0.9467"


@pytest.mark.parametrize("code", [2, 130])
def test_a_run_that_ends_badly_leaves_no_model(container: dict[str, str], code: int) -> None:
    """Refused data or an interruption: the exit code is handed on and nothing passes for a model."""
    assert entry.main([], container, Training(code)) == code
    assert not Path(container["SM_MODEL_DIR"]).exists()


def test_the_packed_code_is_whole_and_always_the_same(tmp_path: Path) -> None:
    """Twice the same bytes; unpacked, the entry script starts alone, with no checkout around it. A quick training
    finds the model that it begins at, and no other file of that size travels."""
    first, second = source.pack(), source.pack()

    with tarfile.open(fileobj=io.BytesIO(first.content)) as tar:
        names = tar.getnames()
        tar.extractall(tmp_path, filter="data")
    assert first == second
    assert {"entry.py", "requirements.txt", "training/train.py", "vehiclevision/labels.py", "vehicles.toml"} <= set(
        names
    )
    assert not [name for name in names if "sagemaker" in name]
    assert [name for name in names if name.endswith(".gz")] == [DEFAULT_MODEL.relative_to(source.CHECKOUT).as_posix()]
    run = subprocess.run(
        [sys.executable, "entry.py", "--help"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    # Without PyTorch, as here in the application's environment, it gets as far as importing that, and says what to do.
    assert run.returncode == 0 or run.stderr == (
        "torch is not installed. On a machine of your own: make setup-training\n"
    )


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_jobs_model_is_found_however_it_is_packed(tmp_path: Path, prefix: str) -> None:
    """SageMaker packs the model's folder its own way: with or without ./, with folders and other files beside."""
    manifest = {"version": "1"}
    packed = _tar(tmp_path, {f"{prefix}model.onnx": b"onnx", f"{prefix}manifest.json": json.dumps(manifest).encode()})

    found = runs.artefact_of_job(packed)

    assert (found.onnx, found.manifest) == (b"onnx", manifest)


@pytest.mark.parametrize(
    "members",
    [{}, {"model.onnx": b"x"}, {"model.onnx": b"x", "manifest.json": b"{"}, {"../manifest.json": b"{}"}],
    ids=["empty", "no manifest", "no JSON", "elsewhere"],
)
def test_what_is_no_model_is_refused(tmp_path: Path, members: dict[str, bytes]) -> None:
    """A job that left something else is told as a failed job."""
    with pytest.raises(SageMakerStepError, match="no model of ours"):
        runs.artefact_of_job(_tar(tmp_path, members))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """So is a file that cannot be unpacked."""
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"\x1f\x8b not really")

    with pytest.raises(SageMakerStepError, match="no model of ours"):
        runs.artefact_of_job(path)


def _tar(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "job.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        beside = tarfile.TarInfo("code")
        beside.type = tarfile.DIRTYPE
        tar.addfile(beside)
        for name, content in {"notes.txt": b"hello", **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path
