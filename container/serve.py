"""The serving image's program: the local SageMaker's own server, on 8080, with the model that SageMaker unpacked.

One process predicts, on a thread for each core. A second one, which holds nothing, starts it anew should it die; what
is asked meanwhile waits at the port.

    GET /ping            200 as soon as the model is loaded and has answered a few plain images
    POST /invocations    image/jpeg, image/png or application/x-image in, a JSON list of two probabilities out;
                         with the custom attribute `activation-map` an object that also says where it looked

SageMaker starts it as `serve`, unpacks model.tar.gz into /opt/ml/model, read-only, and ends it with SIGTERM.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from local.sagemaker import IN_SERVICE
from local.sagemaker_runtime import Models, Runtime
from training.artefact import (
    MANIFEST_MEMBER,
    MAX_ARTEFACT_BYTES,
    MAX_MANIFEST_BYTES,
    MODEL_MEMBER,
    Artefact,
    Model,
    load_model,
    write_artefact,
)
from training.errors import ModelRefusedError

# In the container everything that reaches it comes from SageMaker.
HOST: Final = "0.0.0.0"  # noqa: S104
# SageMaker gives a container 30 s between SIGTERM and SIGKILL; a request takes milliseconds.
SHUTDOWN_SECONDS: Final = 20


class Unpacked(Models):
    """The one model of a container, loaded before the first request."""

    def __init__(self, model: Model) -> None:
        super().__init__(Path(os.devnull))
        self._model = model

    def endpoints(self) -> Mapping[str, Mapping[str, Any]]:
        """One nameless endpoint."""
        return {"": {"status": IN_SERVICE}}

    def model(self, endpoint: Mapping[str, Any]) -> Model:
        """Always the same."""
        return self._model

    def loaded(self, endpoint: Mapping[str, Any]) -> Model | None:
        """Always the same."""
        return self._model


def read_model(folder: Path) -> Model:
    """The unpacked artefact, after every check that it gets elsewhere; whatever lies beside its two files is left."""
    manifest = _bounded(folder / MANIFEST_MEMBER, MAX_MANIFEST_BYTES)
    onnx = _bounded(folder / MODEL_MEMBER, MAX_ARTEFACT_BYTES)
    try:
        fields = json.loads(manifest)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError("The model's manifest is no JSON.", "Register a model that training made.") from error
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / "model.tar.gz"
        write_artefact(Artefact(onnx, fields), packed)
        return load_model(packed)


def application() -> Runtime:
    """What the predicting process answers with."""
    return Runtime(Unpacked(read_model(_folder(os.environ))))


def main(environment: Mapping[str, str]) -> int:
    """Serve until told to stop; 1 when there is no model that may be served."""
    try:
        model = read_model(_folder(environment))
    except ModelRefusedError as error:
        # SageMaker shows this line in the endpoint's log and reports the endpoint as failed.
        print(error.message, file=sys.stderr, flush=True)
        return 1
    print(f"Serving model {model.manifest.version}", flush=True)
    del model
    config = uvicorn.Config(
        "container.serve:application",
        factory=True,
        host=environment.get("VEHICLEVISION_HOST", HOST),
        port=int(environment.get("SAGEMAKER_BIND_TO_PORT", "8080")),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # uvicorn's own command supervises only where there are several workers.
    Multiprocess(config, sockets=[config.bind_socket()]).run()
    return 0


def _folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("SM_MODEL_DIR", "/opt/ml/model"))


def _bounded(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ModelRefusedError(f"{path} cannot be read ({error.strerror}).") from error
    if len(content) > most:
        raise ModelRefusedError(f"{path} is larger than {most} bytes.")
    return content


if __name__ == "__main__":
    sys.exit(main(os.environ))
