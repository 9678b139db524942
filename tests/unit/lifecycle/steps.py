"""The steps as the command takes them, in short."""

import json
from pathlib import Path
from typing import Final

from lifecycle import deploy, registry, runs
from lifecycle.endpoint import Hosting
from lifecycle.images import BUILTIN, OWN
from lifecycle.jobs import Data, Training
from lifecycle.registry import Version
from lifecycle.site import Aws
from training.artefact import DEFAULT_MODEL

MODEL: Final = DEFAULT_MODEL
APPLICATION_ALARM: Final = "vehiclevision-endpoint-failing"
BUILTIN_FACTS: Final = {"num_classes": 2, "num_training_samples": 960, "image_shape": "3,224,224"}


def stage(aws: Aws) -> None:
    """Data in the bucket, complete."""
    manifest = {"data_hash": "a" * 64, "builtin": BUILTIN_FACTS}
    runs.put_once(aws, "training-data/abc-1/manifest.json", json.dumps(manifest).encode())


def training(aws: Aws, algorithm: str = OWN, **options: object) -> Training:
    """A training of the staged data."""
    data = Data(aws.site.s3("training-data/abc-1/"), "a" * 64, BUILTIN_FACTS)
    code = aws.site.s3("code/1/sourcedir.tar.gz") if algorithm != BUILTIN else None
    return Training(algorithm, data, "1.dkr.ecr/image:1", code, revision="c" * 40, **options)  # type: ignore[arg-type]


def register_shipped(aws: Aws, model: Path = MODEL) -> Version:
    """An artefact from a file, registered."""
    candidate = runs.candidate_of_file(aws, model, aws.site.image("x-x86-64"), code_revision="c" * 40)
    return registry.register(aws, candidate)


def deploy_newest(aws: Aws, hosting: Hosting | None = None, *, approve: bool = False) -> deploy.Deployed:
    """Approve the newest version if wanted, then deploy the newest approved one."""
    if approve:
        newest = registry.versions(aws)[0]
        if newest.status != registry.APPROVED:
            request = registry.approval_request(newest, registry.APPROVED, "looks good")
            aws.client("sagemaker").update_model_package(**request.parameters)
    version = registry.deployable(registry.versions(aws), None)
    state = deploy.look(aws, APPLICATION_ALARM)
    return deploy.deploy(aws, version, hosting or Hosting(), state)
