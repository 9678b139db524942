"""The whole local AWS: start it, stop it, ask for it.

Safe to interrupt at any moment: what `start` started ends with its process until all is up, and the
deployment is judged by what the engine holds, not by what a run meant to do.
"""

import contextlib
import fcntl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local import credentials, deploy, foundation, processes
from local.credentials import Credentials
from local.engine import process as engine
from local.errors import LocalAwsError
from local.place import CHECKOUT, REGION
from local.processes import HOST, Server
from local.sagemaker import servers as sagemaker

DIRECTORY = CHECKOUT / ".local"
# The servers, as `vehiclevision status` names them.
PARTS: Mapping[str, Callable[[Path], Server]] = {
    "engine": engine.server,
    "sagemaker": sagemaker.runtime,
    "sagemaker_control": sagemaker.control,
}


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS and how to reach it."""

    engine_url: str
    state_dir: Path
    credentials: Credentials
    region: str = REGION

    def environment(self) -> dict[str, str]:
        """What makes boto3, the AWS CLI and SAM talk to this AWS and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.engine_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_access_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def outputs(self) -> dict[str, str]:
        """The deployed stack's outputs by name; empty while nothing is deployed."""
        return deploy.stack_outputs(self.environment())


@dataclass(frozen=True)
class Part:
    """A server of the local AWS: where it answers, and its process; neither while it does not run."""

    url: str | None = None
    pid: int | None = None


@dataclass(frozen=True)
class Status:
    """What runs, and where its state lies."""

    state_dir: Path
    parts: Mapping[str, Part]
    deployed: bool

    @property
    def up(self) -> bool:
        """Whether everything runs and the application is deployed."""
        return self.deployed and all(part.pid for part in self.parts.values())

    @property
    def runs(self) -> bool:
        """Whether anything of it runs."""
        return any(part.pid for part in self.parts.values())


def start(
    directory: Path = DIRECTORY,
    progress: Callable[[str], None] = lambda _: None,
    *,
    detach: bool = False,
    application: Path = CHECKOUT,
) -> LocalAws:
    """Bring the local AWS up with the application deployed; quick when it is up already and nothing has changed.

    With `detach` it stays up when this process ends, else it ends with the process that started it.
    """
    directory = directory.resolve()
    with _alone(directory, progress):
        progress("Starting the local AWS")
        for launched in [server(directory).launch() for server in PARTS.values()]:
            launched.ready()
        present = running(directory)
        if present is None:
            raise LocalAwsError("The local AWS ended right after its start.", f"Its logs are in {directory}")
        foundation.ensure(present.environment())
        # The threshold belongs to the model: whichever answers, the application passes what that model may let pass.
        threshold = sagemaker.threshold(directory)
        parameters = {} if threshold is None else {"ConfidenceThreshold": str(threshold)}
        deploy.deploy(deploy.VEHICLEVISION.at(application), directory, present.environment(), progress, parameters)
        if detach:
            for server in PARTS.values():
                processes.release(server(directory))
        return present


def stop(directory: Path = DIRECTORY) -> None:
    """Take the local AWS down; what it holds stays for the next start."""
    directory = directory.resolve()
    if not directory.exists():
        return
    with _alone(directory):
        sagemaker.control(directory).stop()
        # While there is a bucket to write it into.
        sagemaker.flush(directory)
        engine.server(directory).stop()
        sagemaker.runtime(directory).stop()


def running(directory: Path = DIRECTORY) -> LocalAws | None:
    """The local AWS of this state folder if its servers run."""
    directory = directory.resolve()
    urls = {name: server(directory).url() for name, server in PARTS.items()}
    address = urls["engine"]
    return LocalAws(address, directory, credentials.of(directory)) if address and all(urls.values()) else None


def status(directory: Path = DIRECTORY) -> Status:
    """What of the local AWS runs."""
    directory = directory.resolve()
    records = {name: processes.running(server(directory)) for name, server in PARTS.items()}
    parts = {
        name: Part(f"http://{HOST}:{record['port']}", record["pid"]) if record else Part()
        for name, record in records.items()
    }
    present = running(directory)
    return Status(directory, parts, deployed=bool(present and present.outputs()))


@contextlib.contextmanager
def _alone(directory: Path, progress: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """One start or stop at a time in a state folder; the lock goes with its process."""
    processes.private_folder(directory)
    with open(directory / "up.lock", "a", opener=processes.opened_privately) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Waiting for another start or stop to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
