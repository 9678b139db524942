"""A quick training goes on where the model that answers is not ours, unless a champion was asked for."""

from pathlib import Path

import pytest

from tests.unit.serving.tiny_model import write_model
from training.artefact import load_model
from training.beginning import champion_or_published
from training.errors import ModelRefusedError


def not_ours(path: Path) -> str:
    """A model whose head cannot be fitted anew: one that can be read, or none at all."""
    raise ModelRefusedError(f"The head of {load_model(path).manifest.version} cannot be fitted anew.")


def test_a_model_that_training_did_not_write_is_no_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Retraining gives whatever model answers: it begins at the network as published then, and says so."""
    model = write_model(tmp_path / "model.tar.gz")

    beginning = champion_or_published(model, not_ours, asked_for=False)

    assert beginning is None
    assert capsys.readouterr().err.endswith("cannot be fitted anew. So this begins at the network as published.\n")


def test_a_champion_that_was_asked_for_is_not_replaced(tmp_path: Path) -> None:
    """Whoever names the beginning gets that one or none."""
    model = write_model(tmp_path / "model.tar.gz")

    with pytest.raises(ModelRefusedError, match="cannot be fitted anew"):
        champion_or_published(model, not_ours, asked_for=True)


def test_a_missing_file_is_not_a_model_of_others(tmp_path: Path) -> None:
    """A mistyped name must not become another training."""
    with pytest.raises(ModelRefusedError):
        champion_or_published(tmp_path / "model.tar.gz", not_ours, asked_for=False)
