"""How both servers of the local SageMaker begin and listen: alone in their state folder, behind the door."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from local import credentials, processes
from local.door import Application, Door, Paths
from local.processes import HOST, Server

# The only thing that may be asked without a signature.
PATHS = Paths(unsigned=frozenset({("GET", "/ping")}))


@dataclass(frozen=True)
class Begun:
    """A server that stands alone in its state folder and ends with whoever started it."""

    directory: Path
    port: int

    def listen(self, application: Application) -> None:
        """Answer until told to stop."""
        uvicorn.run(
            Door(application, credentials.of(self.directory), self.port, PATHS),
            host=HOST,
            port=self.port,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )


def begin(program: str, arguments: list[str], server: Callable[[Path], Server]) -> Begun:
    """Take the process's arguments, and its place; ends the process where another one has it."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    options = parser.parse_args(arguments)
    processes.serve_alone(server(options.directory), {"port": options.port})
    processes.follow(options.lifeline)
    return Begun(options.directory, options.port)
