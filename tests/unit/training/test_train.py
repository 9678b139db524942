"""The two commands, from pictures to a model artefact and its scores."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from cli.main import main
from tests.unit.training.small_network import network
from training import train
from training.artefact import DEFAULT_MODEL, load_model
from training.champion import read_champion
from training.seeds import averaged

TWO_SEEDS = ["--quick", "--steps", "2", "--seed", "1", "--seed", "2"]


@pytest.fixture(scope="module")
def trained(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--quick --steps 2` leaves behind on drawn pictures."""
    out = tmp_path_factory.mktemp("trained") / "out"
    arguments = [
        "--data",
        str(drawn_folder),
        "--out",
        str(out),
        "--quick",
        "--steps",
        "2",
        "--photos",
        str(drawn_folder),
    ]
    assert train.main(arguments) == 0
    return out


def test_what_is_printed_is_for_a_person(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is learnt from, how it goes, how good the model is and where it lies; no line of JSON, none too long."""
    assert train.main(["--data", str(drawn_folder), "--out", str(tmp_path), "--quick"]) == 0

    printed = capsys.readouterr().out
    assert "192 pictures to learn from, 48 held out" in printed
    champion = load_model(DEFAULT_MODEL).manifest.version
    assert f"24 vehicles and 24 other pictures, held out: new to its head, perhaps not to {champion}:" in printed
    assert re.search(r"named rightly +\d+ of 24 ", printed)
    assert str(tmp_path / "model.tar.gz") in printed
    assert not set('{}"') & set(printed)


def test_one_command_leaves_model_record_and_data_manifest(trained: Path) -> None:
    """The artefact says where it comes from; the record adds settings, versions, hardware and curve."""
    manifest = load_model(trained / "model.tar.gz").manifest.fields
    record, data = (json.loads((trained / name).read_text()) for name in ("run.json", "data.json"))

    assert {"data_hash", "seed", "metrics", "versions", "trained_at", "command", "threshold"} <= manifest.keys()
    assert {"recipe", "hardware", "versions", "curve", "data_hash", "milliseconds_per_image"} <= record.keys()
    assert data["data_hash"] == manifest["data_hash"]
    assert data["parts"] == {"train": 192, "validation": 48}
    assert manifest["metrics"]["validation"]["n"] == 24
    assert manifest["metrics"]["photos"]["n"] == 120


def test_the_artefact_names_no_folder_of_this_machine(trained: Path) -> None:
    """The command is recorded with the last name of each absolute path only."""
    command = load_model(trained / "model.tar.gz").manifest.fields["command"]

    assert command.startswith("python -m training.train --data drawn")
    assert "/" not in command


def test_same_seed_same_model(trained: Path, drawn_folder: Path, tmp_path: Path) -> None:
    """A second run with the same seed and data gives an ONNX file with the same sha256."""
    arguments = ["--data", str(drawn_folder), "--out", str(tmp_path), "--quick", "--steps", "2"]

    train.main(arguments)

    assert load_model(tmp_path / "model.tar.gz").manifest.sha256 == load_model(trained / "model.tar.gz").manifest.sha256


def test_evaluation_of_the_training_data_uses_its_validation_part_only(
    trained: Path, drawn_folder: Path, tmp_path: Path
) -> None:
    """Pictures that the model learnt from are never counted, and as many of them are right as the manifest says."""
    model = trained / "model.tar.gz"

    status = main(
        [
            "evaluate",
            "--split",
            "validation",
            "--data",
            str(drawn_folder),
            "--model",
            str(model),
            "--out",
            str(tmp_path / "page.html"),
        ]
    )

    report = json.loads((tmp_path / "page.json").read_text())
    assert status == 0
    assert (report["n"], report["neither_n"]) == (24, 24)
    assert report["accuracy"] == load_model(model).manifest.fields["metrics"]["validation"]["accuracy"]


@pytest.fixture(scope="module")
def repeated(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two seeds leave behind."""
    out = tmp_path_factory.mktemp("repeated")
    assert train.main([*TWO_SEEDS, "--data", str(drawn_folder), "--out", str(out)]) == 0
    return out


def test_several_seeds_give_mean_and_spread(repeated: Path) -> None:
    """Each seed has its model, and the figures are those of the models."""
    told = json.loads((repeated / "seeds.json").read_text())
    each = [load_model(repeated / f"seed-{seed}" / "model.tar.gz").manifest.fields for seed in (1, 2)]
    accuracies = [fields["metrics"]["validation"]["accuracy"] for fields in each]
    found = told["validation"]["accuracy"]

    assert told["seeds"] == [1, 2]
    assert told["cost"]["mean"] == pytest.approx(sum(fields["costs"]["cost"] for fields in each) / 2, abs=1e-4)
    assert found["mean"] == pytest.approx(sum(accuracies) / 2, abs=1e-4)
    assert (found["least"], found["most"]) == (min(accuracies), max(accuracies))


def test_the_model_of_several_seeds_is_their_average(repeated: Path) -> None:
    """Every weight lies in the middle between the seeds', and the manifest says of which seeds."""
    of_each = [read_champion(repeated / f"seed-{seed}" / "model.tar.gz") for seed in (1, 2)]
    average = read_champion(repeated / "model.tar.gz")
    weights = [each.head.weight for each in of_each]

    assert not torch.equal(*weights)
    assert torch.allclose(average.head.weight, sum(weights) / 2, atol=1e-6)
    assert average.manifest.fields["seeds"] == [1, 2]
    assert "seed" not in average.manifest.fields


def test_averaging_is_of_all_layers() -> None:
    """Not of the head alone: the mean of two networks' weights, wherever they are learnt."""
    networks = [network(seed=seed)[0] for seed in (1, 2)]

    mean = averaged(networks)

    first, second = (dict(each.named_parameters()) for each in networks)
    for name, weight in mean.named_parameters():
        assert torch.allclose(weight, (first[name] + second[name]) / 2, atol=1e-6), name


def test_a_champions_head_is_not_fitted_again_and_again(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be the same each time: that is said, with what to do instead."""
    arguments = ["--data", str(drawn_folder), "--out", str(tmp_path), "--quick"]

    status = train.main([*arguments, "--seed", "1", "--seed", "2"])

    assert status == train.REFUSED
    assert "--start published" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_several_seeds_go_on_where_they_were_stopped(
    repeated: Path,
    drawn_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stopped in the second seed, the same command ends with the very model of one that was not."""
    arguments = [*TWO_SEEDS, "--data", str(drawn_folder), "--out", str(tmp_path)]
    kept = train.learn
    monkeypatch.setattr(train, "learn", lambda asked, *rest: None if asked.recipe.seed == 2 else kept(asked, *rest))
    assert train.main(arguments) == train.INTERRUPTED
    assert not (tmp_path / "model.tar.gz").exists()
    monkeypatch.undo()
    capsys.readouterr()

    status = train.main(arguments)

    printed = capsys.readouterr().out
    assert status == 0
    assert [printed.count(words) for words in ("pictures to learn from", "under 2 seeds", "Seed 2")] == [1, 1, 1]
    assert "the average of seeds 1, 2" in printed
    assert read_champion(tmp_path / "model.tar.gz").graph == read_champion(repeated / "model.tar.gz").graph


def test_two_classes_alone_can_be_learnt_and_it_is_said_what_that_means(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that has seen nothing but the two vehicles is sure of anything: it is trained, and that is said."""
    shutil.copytree(drawn_folder, tmp_path / "data", ignore=shutil.ignore_patterns("tree", "house"))

    arguments = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    status = train.main([*arguments, "--quick", "--start", "published"])

    model = load_model(tmp_path / "out" / "model.tar.gz")
    noise = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 3), np.uint8)
    assert status == 0
    assert "sure of anything" in capsys.readouterr().err
    assert model.predict(noise).sum(axis=1).min() > 0.9
    assert model.manifest.fields["metrics"]["validation"]["neither_n"] == 0


def test_data_with_another_hash_is_refused(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a hash is asked for, other data is refused before anything is trained."""
    status = train.main(["--data", str(drawn_folder), "--out", str(tmp_path), "--data-hash", "0" * 64])

    assert status == 2
    assert "not 000000" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_source_that_is_left_out_is_measured_and_never_learnt(drawn_folder: Path, tmp_path: Path) -> None:
    """Beside pictures of no source, those of one that is left out decide about confidences and threshold."""
    shutil.copytree(drawn_folder, tmp_path / "photos")
    for number, path in enumerate(sorted((tmp_path / "photos").rglob("*.png"))):
        path.rename(path.with_name(f"{'street' if number % 3 else 'web'}__{path.name}"))
    arguments = ["--data", str(drawn_folder), "--data", str(tmp_path / "photos"), "--leave-out", "web"]

    status = train.main([*arguments, "--out", str(tmp_path / "out"), "--quick"])

    manifest = load_model(tmp_path / "out" / "model.tar.gz").manifest.fields
    assert status == 0
    assert set(manifest["metrics"]) == {"validation", "validation drawn0", "validation photos"}
    assert manifest["metrics"]["validation photos"]["n"] == 40
    assert manifest["costs"]["n"] == 40
    assert manifest["data"][0]["learnt"] == 192
