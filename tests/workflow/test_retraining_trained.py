"""Retraining with nothing left out: PyTorch trains the challenger in the job."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import stack
from local.place import CHECKOUT
from tests.workflow.driver import Application, started
from tests.workflow.test_retraining import Retraining, prepared

TRAINING_PYTHON = Path(
    os.environ.get("VEHICLEVISION_TRAINING_PYTHON") or CHECKOUT / ".venv-training" / "bin" / "python"
)

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not TRAINING_PYTHON.exists(), reason="PyTorch is not installed: make test-training"),
]


@pytest.fixture
def retraining(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Retraining]:
    """A local AWS whose training jobs have PyTorch."""
    directory = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEHICLEVISION_TRAINING_PYTHON", str(TRAINING_PYTHON))
        patch.setenv("VEHICLEVISION_SAGEMAKER_SPEED", "600")
        patch.setenv("VEHICLEVISION_DIRECTORY", str(directory))
        aws = started(directory, root)
        try:
            yield prepared(Application(aws, dict(aws.outputs())), tmp_path_factory.mktemp("made"), pictures=60)
        finally:
            stack.stop(directory)


def test_labels_become_a_better_model_that_answers(retraining: Retraining) -> None:
    """Trained on base data and labels, compared, registered, deployed: what answers is what the job trained."""
    retraining.change(TrainingSource=retraining.own_code(), QuickTraining="true", ManualApproval="false")
    retraining.label(30)

    code, run = retraining.run("retrain", "start", "--json")

    assert (code, run["outcome"]) == (0, "REPLACED"), run
    assert run["figures"]["base"]["n"] == 36
    assert retraining.serving() == run["model_version"]
    _, facts = retraining.run("sagemaker", "describe", "--json")
    version = next(each for each in facts["versions"] if each["version"] == run["version"])
    assert version["training_job"] == run["training_job"]
    assert len(version["data_hash"]) == 64
