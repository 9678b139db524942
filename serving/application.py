"""What the serving image's predicting process answers with: the server, and the model that SageMaker unpacked."""

import os
import sys
from pathlib import Path

from uvicorn.config import STARTUP_FAILURE

from serving.server import Server
from training.artefact import (
    MANIFEST_MEMBER,
    MAX_ARTEFACT_BYTES,
    MAX_MANIFEST_BYTES,
    MODEL_MEMBER,
    Model,
    checked_model,
)
from training.errors import ModelRefusedError


def application() -> Server:
    """Made in the predicting process; ends it where there is no model that may be served."""
    try:
        model = read_model(Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model")))
    except ModelRefusedError as error:
        # SageMaker shows this line in the endpoint's log and reports the endpoint as failed.
        print(error.message, file=sys.stderr, flush=True)
        raise SystemExit(STARTUP_FAILURE) from error
    print(f"Serving model {model.manifest.version}", flush=True)
    return Server(model)


def read_model(folder: Path) -> Model:
    """The unpacked artefact, after every check that it gets elsewhere; whatever lies beside its two files is left."""
    most = {MANIFEST_MEMBER: MAX_MANIFEST_BYTES, MODEL_MEMBER: MAX_ARTEFACT_BYTES}
    return checked_model({name: _bounded(folder / name, limit) for name, limit in most.items()}, folder)


def _bounded(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ModelRefusedError(f"{path} cannot be read ({error.strerror}).") from error
    if len(content) > most:
        raise ModelRefusedError(f"{path} is larger than {most} bytes.")
    return content
