"""A model that there is, as a beginning: its network stays, its head is fitted anew."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import onnx
import torch

from training import train
from training.artefact import DEFAULT_MODEL, MODEL_MEMBER, compose, load_model, read_members, write_artefact
from training.calibrate import probabilities
from training.champion import Champion, read_champion, with_head
from training.errors import ModelRefusedError
from training.head import Head
from training.session import FEATURES_NAME, INPUT_NAME, MAP_NAME, OUTPUT_NAME, open_onnx

PICTURES = np.random.default_rng(3).integers(0, 256, (3, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def champion() -> Champion:
    return read_champion(DEFAULT_MODEL)


def outputs(graph: bytes, *names: str) -> list[np.ndarray]:
    """What a graph makes of the pictures."""
    answers: list[np.ndarray] = open_onnx(graph).run(list(names), {INPUT_NAME: PICTURES})
    return answers


def test_its_own_head_makes_it_the_same_file(champion: Champion) -> None:
    """Nothing but the head is written: with the one it had, every byte is as it was."""
    assert with_head(champion, champion.head) == champion.graph


def test_another_head_answers_and_looks_by_its_own_numbers(champion: Champion) -> None:
    """Features stay; answers and map are those of the new head, by the champion's calibration."""
    draw = torch.Generator().manual_seed(1)
    head = Head(torch.randn(champion.head.weight.shape, generator=draw) / 10, torch.tensor([0.3, -0.2, 0.1]))

    answers, features, maps = outputs(with_head(champion, head), OUTPUT_NAME, FEATURES_NAME, MAP_NAME)

    logits = torch.from_numpy(features) @ head.weight.T + head.bias
    speaks = torch.from_numpy(features) @ (head.weight - head.weight.mean(dim=0)).T
    assert np.array_equal(features, outputs(champion.graph, FEATURES_NAME)[0])
    assert answers == pytest.approx(probabilities(logits, champion.calibration).numpy(), abs=1e-5)
    assert maps.mean(axis=(2, 3)) == pytest.approx(speaks[:, : maps.shape[1]].numpy(), abs=1e-3)


def test_a_graph_that_training_did_not_write_is_refused(champion: Champion, tmp_path: Path) -> None:
    """A model whose answers come about in another way can be served, and nobody knows what its head would be."""
    graph = onnx.load_from_string(read_members(DEFAULT_MODEL)[MODEL_MEMBER])
    next(node for node in graph.graph.node if "logits" in node.output).output[0] = "other"
    for node in graph.graph.node:
        node.input[:] = ["other" if name == "logits" else name for name in node.input]
    write_artefact(compose(graph.SerializeToString(), 0.7, {}), tmp_path / "model.tar.gz")

    with pytest.raises(ModelRefusedError, match="cannot be fitted anew"):
        read_champion(tmp_path / "model.tar.gz")


def test_a_quick_training_begins_at_the_shipped_model(champion: Champion, drawn_folder: Path, tmp_path: Path) -> None:
    """The network is the champion's, number for number, the head is not, and the manifest names where it began."""
    status = train.main(["--data", str(drawn_folder), "--out", str(tmp_path), "--quick"])

    trained = read_champion(tmp_path / "model.tar.gz")
    record = json.loads((tmp_path / "run.json").read_text())
    assert status == 0
    assert trained.manifest.fields["champion"] == champion.manifest.version
    assert record["recipe"]["start"] == "champion"
    assert trained.calibration == champion.calibration
    features, before = (outputs(graph, FEATURES_NAME)[0] for graph in (trained.graph, champion.graph))
    assert np.array_equal(features, before)
    assert not torch.equal(trained.head.weight, champion.head.weight)


def test_labels_move_the_answers_to_pictures_like_them(drawn_folder: Path, tmp_path: Path) -> None:
    """What the folder calls a bicycle is one afterwards, whatever the champion thought of it."""
    for label, shows in (("bicycle", "tree"), ("motorcycle", "motorcycle"), ("neither", "house")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for path in (drawn_folder / shows).iterdir():
            (tmp_path / "data" / label / path.name).write_bytes(path.read_bytes())

    status = train.main(["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--quick"])

    metrics = load_model(tmp_path / "out" / "model.tar.gz").manifest.fields["metrics"]["validation"]
    assert status == 0
    assert metrics["accuracy"] > 0.9


def test_what_only_another_beginning_has_is_refused(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A champion's network is not tuned and not exchanged: asked for both, nothing is trained."""
    arguments = ["--data", str(drawn_folder), "--out", str(tmp_path), "--champion", str(DEFAULT_MODEL)]

    statuses = [train.main([*arguments, *more]) for more in ([], ["--quick", "--steps", "2"])]

    assert statuses == [2, 2]
    assert capsys.readouterr().err.count("fitted anew with --quick alone") == 2
    assert not list(tmp_path.iterdir())
