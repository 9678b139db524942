"""Where AWS keeps its images: what is written down here agrees with AWS's SDK, and the SDK is asked for the rest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lifecycle import images
from lifecycle.errors import SageMakerStepError
from lifecycle.images import BUILTIN, FIRST_ACCOUNT, FIRST_ACCOUNT_REGIONS, PYTORCH, SDK_PYTHON, ask_sdk
from lifecycle.site import Site

QUESTION = {"framework": "image-classification", "region": "eu-central-1"}
WITH_SDK = pytest.mark.skipif(not SDK_PYTHON.exists(), reason="the sagemaker SDK is not installed")


def _python(folder: Path, program: str) -> Path:
    """A Python in which the SDK is something else."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{program}'\n")
    path.chmod(0o755)
    return path


def test_without_the_sdk_it_says_how_to_get_it(tmp_path: Path) -> None:
    """The built-in algorithm's address needs the SDK; without it there is one sentence and two remedies."""
    lacking = _python(tmp_path, "import sys; sys.stderr.write(\"No module named '\\''sagemaker'\\''\"); sys.exit(1)")

    with pytest.raises(SageMakerStepError, match="which is not installed") as caught:
        ask_sdk(QUESTION, (tmp_path / "no-python", lacking))

    assert "make .venv-sagemaker/.ready" in caught.value.hint
    assert "--image" in caught.value.hint


def test_what_the_sdk_prints_beside_its_answer_is_left(tmp_path: Path) -> None:
    """The SDK greets and warns on standard output; the answer is the last line."""
    chatty = _python(tmp_path, 'print("hello"); print("\\"1.dkr.ecr/image:1\\"")')

    assert ask_sdk(QUESTION, (chatty,)) == "1.dkr.ecr/image:1"


def test_a_region_that_the_sdk_does_not_know_is_said(tmp_path: Path) -> None:
    """The SDK's own last words are handed on, without its traceback."""
    refusing = _python(tmp_path, 'import sys; sys.exit("ValueError: Unsupported region: mars-1")')

    with pytest.raises(SageMakerStepError, match="Unsupported region: mars-1"):
        ask_sdk(QUESTION, (refusing,))


@WITH_SDK
def test_the_sdk_knows_the_built_in_algorithm() -> None:
    """The real SDK is asked as the commands ask it."""
    site = Site("vehiclevision", "123456789012", "eu-central-1")

    found = images.training_image(site, BUILTIN, "ml.g4dn.xlarge")

    assert found == "813361260812.dkr.ecr.eu-central-1.amazonaws.com/image-classification:1"


@WITH_SDK
def test_what_is_written_down_here_is_what_the_sdk_says() -> None:
    """Account, version and Python of the PyTorch container, in every region that is named here."""
    program = """
import json
from pathlib import Path
import sagemaker.core
folder = Path(sagemaker.core.__file__).parent / "image_uri_config"
print(json.dumps(json.loads((folder / "pytorch.json").read_text())["training"]["versions"]))
"""
    run = subprocess.run([SDK_PYTHON, "-c", program], capture_output=True, text=True, check=True)
    known = json.loads(run.stdout.splitlines()[-1])[PYTORCH["version"]]

    assert PYTORCH["python"] in known["py_versions"]
    for region in FIRST_ACCOUNT_REGIONS:
        assert known["registries"][region] == FIRST_ACCOUNT
