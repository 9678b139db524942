"""The serving image's program: the server, on 8080, with the model that SageMaker unpacked.

One process predicts, on a thread for each core. This one holds nothing but the port: should the other die, it starts it
anew, and what is asked meanwhile waits.

    GET /ping            200 as soon as the model is loaded and has answered a few plain images
    POST /invocations    image/jpeg, image/png or application/x-image in, a JSON list of probabilities out;
                         with the custom attribute `activation-map` an object that also says where it looked

SageMaker starts it as `serve`, unpacks model.tar.gz into /opt/ml/model, read-only, and ends it with SIGTERM.
"""

import os
import sys
from collections.abc import Mapping
from typing import Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

# In the container everything that reaches it comes from SageMaker.
HOST: Final = "0.0.0.0"  # noqa: S104
# SageMaker gives a container 30 s between SIGTERM and SIGKILL; a request takes milliseconds.
SHUTDOWN_SECONDS: Final = 20


def main(environment: Mapping[str, str]) -> int:
    """Serve until told to stop; 1 when there is no model that may be served."""
    config = uvicorn.Config(
        "serving.application:application",
        factory=True,
        host=environment.get("VEHICLEVISION_HOST", HOST),
        port=int(environment.get("SAGEMAKER_BIND_TO_PORT", "8080")),
        log_level="warning",
        access_log=False,
        lifespan="off",
        # The server tells connections apart by their addresses, and must not take a header's word for them.
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # uvicorn's own command supervises only where there are several workers.
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    return int(any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes))


if __name__ == "__main__":
    sys.exit(main(os.environ))
