"""The two commands, from pictures to a model artefact and its scores."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the packages of requirements/training.txt")

from training import evaluate, train
from training.artefact import read_artefact


@pytest.fixture(scope="module")
def trained(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--quick --epochs 2` leaves behind on drawn pictures."""
    out = tmp_path_factory.mktemp("trained") / "out"
    arguments = [
        "--data",
        str(drawn_folder),
        "--out",
        str(out),
        "--quick",
        "--epochs",
        "2",
        "--photos",
        str(drawn_folder),
    ]
    assert train.main(arguments) == 0
    return out


def test_one_command_leaves_model_record_and_data_manifest(trained: Path) -> None:
    """The artefact says where it comes from; the record adds settings, versions, hardware and curve."""
    manifest = read_artefact(trained / "model.tar.gz").manifest
    record, data = (json.loads((trained / name).read_text()) for name in ("run.json", "data.json"))

    assert {"data_hash", "seed", "metrics", "versions", "trained_at", "command", "threshold"} <= manifest.keys()
    assert {"recipe", "hardware", "versions", "curve", "data_hash", "milliseconds_per_image"} <= record.keys()
    assert len(record["curve"]) == 2
    assert data["data_hash"] == manifest["data_hash"]
    assert data["parts"] == {"train": 128, "calibration": 12, "validation": 36}
    assert manifest["metrics"]["validation"]["accuracy"]["n"] == 18
    assert manifest["metrics"]["photos"]["accuracy"]["n"] == 120


def test_the_artefact_names_no_folder_of_this_machine(trained: Path) -> None:
    """The command is recorded with the last name of each absolute path only."""
    command = read_artefact(trained / "model.tar.gz").manifest["command"]

    assert command.startswith("python -m training.train --data drawn")
    assert "/" not in command


def test_same_seed_same_model(trained: Path, drawn_folder: Path, tmp_path: Path) -> None:
    """A second run with the same seed and data gives an ONNX file with the same sha256."""
    arguments = ["--data", str(drawn_folder), "--out", str(tmp_path), "--quick", "--epochs", "2"]

    train.main(arguments)

    again = read_artefact(tmp_path / "model.tar.gz").manifest["sha256"]
    assert again == read_artefact(trained / "model.tar.gz").manifest["sha256"]


def test_evaluation_of_the_training_data_uses_its_validation_part_only(
    trained: Path, drawn_folder: Path, tmp_path: Path
) -> None:
    """Pictures that the model learnt from are never counted, and the scores are those of the manifest."""
    model, out = trained / "model.tar.gz", tmp_path / "scores.json"

    status = evaluate.main(["--data", str(drawn_folder), "--model", str(model), "--out", str(out)])

    report = json.loads(out.read_text())
    assert status == 0
    assert report["data"]["pictures"] == 36
    assert report["scores"]["accuracy"] == read_artefact(model).manifest["metrics"]["validation"]["accuracy"]


def test_other_classes_count_as_neither(trained: Path, drawn_folder: Path, tmp_path: Path) -> None:
    """On other pictures everything is measured, and folders besides the two labels show neither vehicle."""
    photos = tmp_path / "photos"
    shutil.copytree(drawn_folder, photos, ignore=shutil.ignore_patterns("04*", "05*"))

    status = evaluate.main(
        ["--data", str(photos), "--model", str(trained / "model.tar.gz"), "--out", str(tmp_path / "scores.json")]
    )

    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert status == 0
    assert (scores["accuracy"]["n"], scores["neither_passed"]["n"]) == (80, 80)


def test_two_classes_alone_are_refused(drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that has seen only the two vehicles would be sure of anything: not trained, with a hint."""
    shutil.copytree(drawn_folder, tmp_path / "data", ignore=shutil.ignore_patterns("tree", "house"))

    status = train.main(["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")])

    assert status == 2
    assert "Add a folder with pictures of other things" in capsys.readouterr().err


def test_data_with_another_hash_is_refused(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a hash is asked for, other data is refused before anything is trained."""
    status = train.main(["--data", str(drawn_folder), "--out", str(tmp_path), "--data-hash", "0" * 64])

    assert status == 2
    assert "not 000000" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
