"""Bursts, restarts, kills and interrupted starts: nothing acknowledged is lost, and nothing is left running."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import botocore.exceptions
import pytest

from cli import samples
from local import deploy, processes, stack
from local.engine import process as engine
from local.place import CHECKOUT
from local.sagemaker import servers as sagemaker
from tests.workflow.driver import Application, plain
from tests.workflow.engine_bench import eventually, listed

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

PHOTO = next(sample.content for sample in samples.of() if sample.label == "bicycle")
BURST_SECONDS = 400.0
FUNCTIONS = 3
MAX_ENGINE_MIB = 600
# The starter's words when a phase begins, and within how many seconds of it the starter is ended.
PHASES = [
    ("Starting the local AWS", 2.0),
    ("Building the functions", 8.0),
    ("Deploying the stack", 10.0),
]
MOMENTS = 24
MOMENTS_IN_A_ROW = 8
ALL_IS_UP = "All is up"
# What is started in the background of a script ignores Ctrl-C, and so would this.
STARTER = (
    "import sys, pathlib, signal; from local import stack; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "stack.start(pathlib.Path(sys.argv[1]), lambda words: print(words, flush=True)); "
    f"print({ALL_IS_UP!r}, flush=True); sys.stdin.read()"
)


class Uploads:
    """Uploads that run while the engine comes and goes; only what was acknowledged counts."""

    def __init__(self, application: Application, name: str, number: int) -> None:
        self._application = application
        self._keys = [f"uploads/{name}/{index}.jpg" for index in range(number)]
        self.acknowledged: set[tuple[str, str]] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> "Uploads":
        """Upload eight at a time from now on."""
        self._application.client("s3")
        self._thread.start()
        return self

    def cut(self) -> None:
        """Upload no more; what is under way is waited for."""
        self._ended.set()
        self._thread.join()

    def join(self) -> None:
        """Wait for all of them."""
        self._thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._upload, self._keys))

    def _upload(self, key: str) -> None:
        if self._ended.is_set():
            return
        try:
            version = self._application.upload(key, PHOTO)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return  # not acknowledged: the uploader knows that it must try again
        self.acknowledged.add((f"{self._application.bucket}/{key}", version))


def records(application: Application) -> dict[tuple[str, str], str]:
    """The outcome of each recorded object version."""
    pages = application.client("dynamodb").get_paginator("scan")
    items = [
        plain(item)
        for page in pages.paginate(TableName=application.outputs["ResultsTableName"])
        for item in page["Items"]
    ]
    return {(item["object"], item["version_id"]): item["outcome"] for item in items}


def recorded(application: Application, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The outcomes of the wanted object versions, once all are there."""
    found = eventually(lambda: wanted <= (rows := records(application)).keys() and rows, BURST_SECONDS)
    return {key: found[key] for key in wanted}


def descendants(pid: int) -> dict[int, float]:
    """The processes that a process started, and so on, with their memory in MiB."""
    rows = [line.split() for line in listed("ps", "-Ao", "pid=,ppid=,rss=,stat=")]
    alive = [(int(own), int(parent), int(kib) / 1024) for own, parent, kib, state in rows if state[0] != "Z"]
    found: dict[int, float] = {}
    while added := {own: mib for own, parent, mib in alive if parent in (pid, *found) and own not in found}:
        found |= added
    return found


def memory_mib(pid: int) -> float:
    """What one process holds."""
    return int(*listed("ps", "-o", "rss=", "-p", str(pid))) / 1024


def no_process_of(directory: Path) -> bool:
    """Whether all of them have ended."""
    return not processes_of(directory)


def processes_of(directory: Path) -> list[str]:
    """Every process with the folder in its command line or environment, whoever started it."""
    rows = [line.split(None, 2) for line in listed("ps", "axeww", "-o", "pid=,stat=,command=")]
    return [
        " ".join(row)[:300]
        for row in rows
        if len(row) == 3 and str(directory) in row[2] and row[1][0] != "Z" and int(row[0]) != os.getpid()
    ]


def come_up(directory: Path, root: Path) -> Application:
    """The application on a started local AWS."""
    aws = stack.start(directory, application=root)
    return Application(aws, dict(aws.outputs()))


def kill_engine(directory: Path) -> None:
    """End the engine without any chance to save."""
    server = engine.server(directory)
    record = processes.running(server)
    assert record is not None
    os.kill(record["pid"], signal.SIGKILL)
    eventually(lambda: not processes.is_alive(server))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder that all bursts share, so that each starts with what the last one left."""
    found = tmp_path_factory.mktemp("soak")
    yield found
    stack.stop(found)


def test_a_burst_of_500_is_recorded_within_bounds(directory: Path, root: Path) -> None:
    """All are classified, with a bounded number of workers and an engine of bounded size."""
    application = come_up(directory, root)
    pid = processes.read_json(engine.server(directory).record)["pid"]
    most, largest_mib, started = 0, 0.0, time.monotonic()

    uploads = Uploads(application, "burst", 500).start()
    while len(records(application)) < 500:
        assert time.monotonic() - started < BURST_SECONDS
        most = max(most, len(descendants(pid)))
        largest_mib = max(largest_mib, memory_mib(pid))
        time.sleep(0.5)
    uploads.join()
    print(f"500 in {time.monotonic() - started:.1f} s, {most} workers, engine {largest_mib:.0f} MiB")

    assert len(uploads.acknowledged) == 500
    assert set(recorded(application, uploads.acknowledged).values()) == {"CLASSIFIED"}
    assert most <= FUNCTIONS * engine.workers_per_function()
    assert largest_mib < MAX_ENGINE_MIB


@pytest.mark.parametrize("end", [stack.stop, kill_engine])
def test_the_end_of_the_engine_in_a_burst_loses_nothing(
    directory: Path, root: Path, end: Callable[[Path], None]
) -> None:
    """Stopped or killed in the middle and again afterwards: every record stays, every acknowledged upload gets one."""
    application = come_up(directory, root)

    uploads = Uploads(application, end.__name__, 200).start()
    eventually(lambda: len(uploads.acknowledged) > 60)
    before = records(application)
    end(directory)
    uploads.cut()
    application = come_up(directory, root)
    found = recorded(application, uploads.acknowledged)
    middle = records(application)
    end(directory)
    after = records(come_up(directory, root))

    assert before.items() <= middle.items()
    assert set(found.values()) == {"CLASSIFIED"}
    assert middle.items() <= after.items()


def test_uploads_outlast_the_death_of_the_endpoint(directory: Path, root: Path) -> None:
    """Fifty uploads are classified though SageMaker is killed in the middle and comes back."""
    application = come_up(directory, root)
    server = sagemaker.runtime(directory)

    uploads = Uploads(application, "endpoint", 50).start()
    eventually(lambda: len(uploads.acknowledged) > 10)
    before = processes.read_json(server.record)
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: not processes.is_alive(server))
    time.sleep(1)
    sagemaker.runtime(directory).launch().ready()
    uploads.join()

    assert processes.read_json(server.record)["port"] == before["port"]
    assert len(uploads.acknowledged) == 50
    assert set(recorded(application, uploads.acknowledged).values()) == {"CLASSIFIED"}


def end_a_start(directory: Path, phase: str, delay_seconds: float, number: signal.Signals) -> None:
    """Start from a process of its own and send its group a signal some time into a phase."""
    # What is built or deployed already is not built or deployed again, and these phases would never come.
    (CHECKOUT / ".aws-sam" / "local" / deploy.BUILT_FROM).unlink(missing_ok=True)
    (directory / deploy.VEHICLEVISION.room / deploy.DEPLOYED).unlink(missing_ok=True)
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(directory)],
        env={**os.environ, "VEHICLEVISION_SOAK": str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert starter.stdout is not None
    said = next((line for line in starter.stdout if line.startswith((phase, ALL_IS_UP))), "")
    time.sleep(delay_seconds)
    os.killpg(starter.pid, number)
    starter.communicate(timeout=60)
    assert said.startswith(phase), f"the start came to {said!r} and not to {phase!r}"


def test_an_interrupted_start_leaves_nothing_and_the_next_works(
    tmp_path_factory: pytest.TempPathFactory, root: Path
) -> None:
    """Ctrl-C and `kill -9` of the starter in every phase: no process is left, and the next start classifies."""
    chance = random.Random(1)  # noqa: S311 - moments, no secrets

    for moment in range(MOMENTS):
        if moment % MOMENTS_IN_A_ROW == 0:
            directory = tmp_path_factory.mktemp("interrupted")
        phase, span_seconds = PHASES[moment % len(PHASES)]
        number = (signal.SIGINT, signal.SIGKILL)[moment // len(PHASES) % 2]
        delay_seconds = chance.uniform(0, span_seconds)
        end_a_start(directory, phase, delay_seconds, number)
        eventually(partial(no_process_of, directory), patience_seconds=8)
        if moment % MOMENTS_IN_A_ROW == MOMENTS_IN_A_ROW - 1:
            application = come_up(directory, root)
            assert application.outcome("uploads/after.jpg", PHOTO)["outcome"] == "CLASSIFIED"
            stack.stop(directory)
            assert processes_of(directory) == []
