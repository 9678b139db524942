"""How both servers of the local SageMaker listen: behind the door."""

from pathlib import Path

import uvicorn

from local import credentials
from local.door import Application, Door, Paths
from local.processes import HOST

# The only thing that may be asked without a signature.
PATHS = Paths(unsigned=frozenset({("GET", "/ping")}))


def listen(application: Application, directory: Path, port: int) -> None:
    """Answer until told to stop."""
    uvicorn.run(
        Door(application, credentials.of(directory), port, PATHS),
        host=HOST,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
