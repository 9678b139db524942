"""A fresh account, and a second model."""

from pathlib import Path

import pytest

from tests.unit.lifecycle.fake_aws import FakeAws
from training.artefact import DEFAULT_MODEL, Artefact, read_members, write_artefact


@pytest.fixture
def fake() -> FakeAws:
    """An account with nothing in it."""
    return FakeAws()


@pytest.fixture(scope="session")
def second_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network with another manifest: another artefact to the registry."""
    import json

    members = read_members(DEFAULT_MODEL)
    path = tmp_path_factory.mktemp("second") / "model.tar.gz"
    manifest = json.loads(members["manifest.json"])
    manifest["trained_at"] = "2026-01-01T00:00:00+00:00"
    write_artefact(Artefact(members["model.onnx"], manifest), path)
    return path
