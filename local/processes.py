"""Server processes of our own: started once, found again, and never left behind.

A server holds a lock on a file in its folder for as long as it lives, so "is it running" needs no pid,
and survives `kill -9`. It leads a process group of its own, and it watches a pipe whose other end its
starter holds: when the starter goes, in any way, the server ends too, unless it was released.
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NoReturn

from local.errors import LocalAwsError
from local.place import CHECKOUT, INHERITED

HOST = "127.0.0.1"
POLL_SECONDS = 0.05
START_SECONDS = 60.0
RELEASED = b"r"
# What a file's mode grants to anybody but its owner.
OTHERS = 0o077
TIED = Path(__file__).with_name("tied.py")

# Write ends of the pipes to servers that shall end with this process.
_lifelines: dict[Path, int] = {}


@dataclass(frozen=True)
class Server:
    """A server of a state folder: the module that it runs, and its own folder with a lock, a log and a record."""

    name: str
    state: Path
    room: str
    module: str
    # What of our environment it gets beside the least.
    settings: Sequence[str] = ()
    # What it answers once it is up.
    health: str = "/ping"
    stop_seconds: float = 10.0

    @property
    def directory(self) -> Path:
        """Its folder."""
        return self.state / self.room

    @property
    def lock(self) -> Path:
        """Held by the process for as long as it lives."""
        return self.directory / "lock"

    @property
    def log(self) -> Path:
        """What the process says."""
        return self.directory / "log"

    @property
    def record(self) -> Path:
        """Where the process is found: its pid, port and more."""
        return self.directory / "process.json"

    def environment(self, port: int) -> Mapping[str, str]:
        """Its whole environment."""
        return {name: os.environ[name] for name in (*INHERITED, "PYTHONPATH", *self.settings) if name in os.environ}

    def url(self) -> str | None:
        """Where it answers; None while it does not run."""
        record = running(self)
        return f"http://{HOST}:{record['port']}" if record else None

    def launch(self) -> "Launch":
        """Start it unless it runs, without waiting for it: a group of its own, tied to this process until released."""
        record = running(self)
        if record is not None:
            return Launch(self, None, record["port"])
        port = remembered_port(self)
        private_folder(self.directory)
        command = [sys.executable, "-m", self.module, "--directory", str(self.state), "--port", str(port), "--lifeline"]
        with open(self.log, "ab", opener=opened_privately) as log:
            process, held = _leading(
                lambda watched: [*command, str(watched)], self.environment(port), CHECKOUT, log, umask=OTHERS
            )
        _lifelines[self.directory] = held
        return Launch(self, process, port)

    def stop(self) -> None:
        """End it: politely, then its whole group; returns when nothing of it runs."""
        held = _lifelines.pop(self.directory, None)
        record = running(self)
        if record is not None:
            _end(self, int(record["pid"]))
        if held is not None:
            os.close(held)


def private_folder(path: Path) -> None:
    """Make a folder that nobody else may look into; one that somebody else could is shut, with all that lies in it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & OTHERS:
        for each in (path, *path.rglob("*")):
            if not each.is_symlink():
                each.chmod(each.stat().st_mode & ~OTHERS)


def opened_privately(path: str, flags: int) -> int:
    """An opener for `open`: what it makes is its owner's alone."""
    return os.open(path, flags, 0o600)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a crash, sees the old text or the new; its owner's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", opener=opened_privately) as file:
        file.write(text)
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, or an empty one when the file is absent or damaged."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_alive(server: Server) -> bool:
    """Whether a process holds the server's lock."""
    if not server.lock.exists():
        return False
    with server.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def running(server: Server) -> dict[str, Any] | None:
    """The running process's record, or None."""
    record = read_json(server.record)
    return record if record and is_alive(server) else None


def remembered_port(server: Server) -> int:
    """The port of the last run when it is free, so that what was written down still holds; else a free one."""
    last = read_json(server.record).get("port", 0)
    for port in (last, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise LocalAwsError("No free port was found on 127.0.0.1.", "Close some programs that listen for connections.")


@dataclass(frozen=True)
class Launch:
    """A process on its way up, or one that was up already."""

    server: Server
    process: "subprocess.Popen[bytes] | None"
    port: int

    def ready(self) -> str:
        """The server's URL once it answers."""
        url = f"http://{HOST}:{self.port}"
        await_answer(self.server, self.process, f"{url}{self.server.health}", START_SECONDS)
        return url


def await_answer(server: Server, process: "subprocess.Popen[bytes] | None", url: str, patience_seconds: float) -> None:
    """Return once the server answers HTTP, in whatever words; LocalAwsError when it ends or stays silent."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        ended = process.poll() is not None if process is not None else not is_alive(server)
        if ended:
            said = tail(server.log, 1) or "it said nothing"
            raise LocalAwsError(f"The {server.name} ended while starting: {said}", f"Its log is {server.log}")
        try:
            with urllib.request.urlopen(url, timeout=20):  # noqa: S310 - our own http address
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(POLL_SECONDS)
    replace(server, stop_seconds=1.0).stop()
    raise LocalAwsError(
        f"The {server.name} did not answer within {patience_seconds:.0f} s.", f"Its log is {server.log}"
    )


def release(server: Server) -> None:
    """Let the server outlive this process."""
    held = _lifelines.pop(server.directory, None)
    if held is not None:
        os.write(held, RELEASED)
        os.close(held)


def _end(server: Server, pid: int) -> None:
    for send, number, patience in (
        (os.kill, signal.SIGTERM, server.stop_seconds),
        (os.killpg, signal.SIGKILL, 5.0),
    ):
        with contextlib.suppress(ProcessLookupError):
            send(pid, number)
        deadline = time.monotonic() + patience
        while is_alive(server) and time.monotonic() < deadline:
            _collect(pid)
            time.sleep(POLL_SECONDS)
        if not is_alive(server):
            _collect(pid)
            return
    raise LocalAwsError(f"The {server.name} (process {pid}) does not end.", f"End it with: kill -9 -{pid}")


def _collect(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # started by another process, which collects it
        os.waitpid(pid, os.WNOHANG)


def run_tied(
    command: Sequence[str], environment: Mapping[str, str], working_directory: Path, log: Path, patience_seconds: float
) -> int:
    """Run a command to its end, tied to this process; its exit code, or subprocess.TimeoutExpired."""
    with (
        open(log, "wb", opener=opened_privately) as file,
        tied(command, environment, working_directory, file) as process,
    ):
        return process.wait(patience_seconds)


@contextlib.contextmanager
def tied(
    command: Sequence[str], environment: Mapping[str, str], working_directory: Path, output: "int | IO[bytes]"
) -> "Iterator[subprocess.Popen[bytes]]":
    """A command that ends, with whatever it started, when the block ends, and at the latest with this process."""
    start = [sys.executable, "-I", "-S", str(TIED)]
    process, held = _leading(lambda watched: [*start, str(watched), *command], environment, working_directory, output)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(held)


def _leading(
    command: Callable[[int], Sequence[str]],
    environment: Mapping[str, str],
    working_directory: Path,
    output: "int | IO[bytes]",
    umask: int = -1,
) -> "tuple[subprocess.Popen[bytes], int]":
    """A process that leads a group of its own and watches a pipe, by its descriptor, and the pipe's other end."""
    watched, held = os.pipe()
    try:
        process = subprocess.Popen(
            command(watched),
            cwd=working_directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(watched,),
            start_new_session=True,
            umask=umask,
        )
    except BaseException:
        os.close(held)
        raise
    finally:
        os.close(watched)
    return process, held


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


# ---- inside the server ---------------------------------------------------------------------------


def begin(arguments: Sequence[str], server: Callable[[Path], Server]) -> tuple[Path, int]:
    """Take the server's place in its state folder, and end with whoever started it; the folder and the port.

    Ends the process where another one has the place.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    options = parser.parse_args(arguments)
    serve_alone(server(options.directory), {"port": options.port})
    follow(options.lifeline)
    return options.directory, options.port


def serve_alone(server: Server, details: Mapping[str, Any]) -> int:
    """Take the server's lock for this process's life and write down how to find it.

    Returns the descriptor that holds the lock; it closes, and the lock goes, only with the process.
    """
    private_folder(server.directory)
    descriptor = os.open(server.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"Another {server.name} runs from {server.directory}") from None
    write_atomically(server.record, json.dumps({"pid": os.getpid(), **details}, indent=1))
    return descriptor


def follow(lifeline: int) -> None:
    """Send this process SIGTERM when the process at the other end of the pipe is gone."""

    def watch() -> None:
        if os.read(lifeline, 1) != RELEASED:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


def end_group(code: int) -> NoReturn:
    """Leave, and take along every process of this group."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    os._exit(code)
