"""The artefact writer and what it promises."""

import json
import tarfile
from pathlib import Path

from tests.unit.serving.tiny_model import ONNX
from training.artefact import compose, load_model, write_artefact

DETAILS = {"data_hash": "d", "seed": 1, "metrics": {}, "versions": {}, "trained_at": "t", "command": "c"}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    """No time, owner or path of the machine gets into the file."""
    first, second = tmp_path / "first.tar.gz", tmp_path / "other" / "second.tar.gz"

    for path in (first, second):
        write_artefact(compose(b"network", 0.7, DETAILS), path)

    assert first.read_bytes() == second.read_bytes()


def test_exactly_two_plain_members(tmp_path: Path) -> None:
    """model.onnx and manifest.json, and nothing else; the manifest says what loaders check."""
    path = tmp_path / "model.tar.gz"

    write_artefact(compose(b"network", 0.7, DETAILS), path)

    with tarfile.open(path) as tar:
        members = tar.getmembers()
        manifest_file = tar.extractfile("manifest.json")
        assert manifest_file is not None
        manifest = json.load(manifest_file)
    assert sorted(member.name for member in members) == ["manifest.json", "model.onnx"]
    assert all(member.isfile() and member.mtime == 0 and not member.uname for member in members)
    assert manifest["labels"] == ["bicycle", "motorcycle"]
    assert (manifest["format"], manifest["input_shape"], manifest["input_dtype"]) == (2, [224, 224, 3], "uint8")
    assert manifest["sha256"].startswith(manifest["version"])


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """The loader accepts what the writer wrote, with the whole manifest."""
    artefact = compose(ONNX, 0.7, DETAILS)
    write_artefact(artefact, tmp_path / "model.tar.gz")

    model = load_model(tmp_path / "model.tar.gz")

    assert model.manifest.fields == artefact.manifest
    assert model.manifest.version == artefact.version
