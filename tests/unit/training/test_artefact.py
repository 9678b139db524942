"""The artefact writer and what it promises."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from training.artefact import ArtefactRefusedError, compose, read_artefact, write_artefact

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
    assert (manifest["format"], manifest["input_shape"], manifest["input_dtype"]) == (1, [32, 32, 3], "uint8")
    assert manifest["sha256"].startswith(manifest["version"])


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Reading gives the same network and manifest."""
    artefact = compose(b"network", 0.7, DETAILS)
    write_artefact(artefact, tmp_path / "model.tar.gz")

    assert read_artefact(tmp_path / "model.tar.gz") == artefact


def test_a_swapped_network_is_refused(tmp_path: Path) -> None:
    """A network that the manifest does not describe is not evaluated."""
    artefact = compose(b"network", 0.7, DETAILS)
    manifest = json.dumps(artefact.manifest).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in (("manifest.json", manifest), ("model.onnx", b"another")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(packed.getvalue()))

    with pytest.raises(ArtefactRefusedError, match="does not describe"):
        read_artefact(tmp_path / "model.tar.gz")


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar")])
def test_anything_else_is_refused(content: bytes, tmp_path: Path) -> None:
    """Files that are no archive are refused by name, without a traceback of the tar module."""
    (tmp_path / "model.tar.gz").write_bytes(content)

    with pytest.raises(ArtefactRefusedError, match=r"cannot be read as a model\.tar\.gz"):
        read_artefact(tmp_path / "model.tar.gz")
