"""Which container image a job runs in.

AWS keeps its images in accounts of its own, one or more a region. The sagemaker SDK knows them all; it takes 1 GB, so
it lies in an environment of its own and is asked only for what is not known here.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from lifecycle.errors import SageMakerStepError
from lifecycle.site import Site

OWN: Final = "own"
BUILTIN: Final = "builtin"
# AWS's PyTorch training container; its sagemaker-training toolkit runs our entry script.
PYTORCH: Final = {"version": "2.10.0", "python": "py313"}
# The regions in which that container lies in AWS's first account; in the others the SDK is asked.
FIRST_ACCOUNT: Final = "763104351884"
FIRST_ACCOUNT_REGIONS: Final = frozenset(
    {
        "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
        "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
        "us-east-1", "us-east-2", "us-west-1", "us-west-2",
    }
)  # fmt: skip
SDK_PYTHON: Final = Path(__file__).resolve().parents[1] / ".venv-sagemaker" / "bin" / "python"
_ASK: Final = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from sagemaker.core import image_uris
print(json.dumps(image_uris.retrieve(**json.loads(sys.argv[1]))))
"""
_GPU_FAMILIES: Final = ("p", "g", "trn")


def training_image(site: Site, algorithm: str, instance_type: str, given: str | None = None) -> str:
    """The image of a training job: the one that was given, AWS's PyTorch container, or the built-in algorithm's."""
    if given:
        return given
    if algorithm == BUILTIN:
        return ask_sdk({"framework": "image-classification", "region": site.region})
    kind = "gpu" if on_gpu(instance_type) else "cpu"
    if site.region in FIRST_ACCOUNT_REGIONS:
        host = f"{FIRST_ACCOUNT}.dkr.ecr.{site.region}.amazonaws.com"
        return f"{host}/pytorch-training:{PYTORCH['version']}-{kind}-{PYTORCH['python']}"
    return ask_sdk(
        {
            "framework": "pytorch",
            "region": site.region,
            "version": PYTORCH["version"],
            "py_version": PYTORCH["python"],
            "instance_type": instance_type,
            "image_scope": "training",
        }
    )


def on_gpu(instance_type: str) -> bool:
    """Whether an instance type (ml.g4dn.xlarge) has a GPU."""
    family = instance_type.removeprefix("ml.").partition(".")[0]
    return family.startswith(_GPU_FAMILIES)


def ask_sdk(question: dict[str, str], pythons: tuple[Path, ...] = (Path(sys.executable), SDK_PYTHON)) -> str:
    """The image's address from the first Python that has the sagemaker SDK."""
    said = ""
    for python in pythons:
        if not python.exists():
            continue
        run = subprocess.run(  # noqa: S603 - our own interpreter and program; the question is data
            [python, "-c", _ASK, json.dumps(question)], capture_output=True, text=True, check=False, timeout=120
        )
        if run.returncode == 0:
            return str(json.loads(run.stdout.splitlines()[-1]))
        if "No module named 'sagemaker'" not in run.stderr:
            said = (run.stderr.strip().splitlines() or [""])[-1]
    if said:
        raise SageMakerStepError(f"The sagemaker SDK knows no image for {question}: {said}", "Name one with --image.")
    raise SageMakerStepError(
        f"Where AWS keeps the image of {question['framework']} in {question['region']} is known to the sagemaker SDK, "
        "which is not installed.",
        "Install it with: make .venv-sagemaker/.ready (1 GB), or name the image with --image.",
    )
