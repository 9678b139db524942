"""What is known of the endpoints without loading a model."""

import gzip
import json
from pathlib import Path

import pytest

from local.sagemaker.servers import endpoints_file, threshold
from training.artefact import DEFAULT_MODEL, compose, load_model, write_artefact


def _serves(directory: Path, model: Path) -> None:
    endpoints_file(directory).parent.mkdir(exist_ok=True)
    endpoints_file(directory).write_text(
        json.dumps(
            {"endpoints": {"vehiclevision": {"variants": [{"name": "AllTraffic", "model": str(model), "weight": 1.0}]}}}
        )
    )


def test_the_threshold_is_that_of_the_model_that_answers(tmp_path: Path) -> None:
    """The shipped model's own, and another model's own once that one answers."""
    assert threshold(tmp_path) == load_model(DEFAULT_MODEL).manifest.threshold

    write_artefact(compose(b"another", 0.9125, {}), tmp_path / "model.tar.gz")
    _serves(tmp_path, tmp_path / "model.tar.gz")
    assert threshold(tmp_path) == 0.9125


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"x" * 2000), gzip.compress(b"")],
    ids=["empty", "text", "no tar", "empty gzip"],
)
def test_a_model_that_cannot_be_read_has_none(tmp_path: Path, content: bytes) -> None:
    """The local AWS starts all the same, with the template's threshold; the endpoint says what is wrong."""
    (tmp_path / "model.tar.gz").write_bytes(content)
    _serves(tmp_path, tmp_path / "model.tar.gz")

    assert threshold(tmp_path) is None
