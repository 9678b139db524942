"""One run of a training program: fill its folders, run it tied to this service, read what it says."""

import contextlib
import math
import os
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from local import processes
from local.place import CHECKOUT
from local.sagemaker.control import script_mode
from local.sagemaker.control.aws import FAULTS, Engine
from local.sagemaker.control.errors import JobError
from local.sagemaker.control.layout import Layout, place_within, unpack_source
from local.sagemaker.control.log import JobLog
from local.sagemaker.control.settings import Settings
from local.sagemaker.control.store import Record
from vehiclevision.results import bucket_and_key

SITE = Path(__file__).parent / "site"
MAX_OBJECT_BYTES = 20 * 1024**3
MAX_PACKED_SOURCE_BYTES = 256 * 1024 * 1024
DOWNLOADS_AT_A_TIME = 4
POLL_SECONDS = 0.05
CHECKPOINT_SECONDS = 2.0
MAX_LINE = 8_000
MAX_METRIC_LINE = 2_000
MAX_REASON = 1_024
LAST_LINES = 12


@dataclass
class Control:
    """What is asked of a running job from outside."""

    stop: threading.Event = field(default_factory=threading.Event)
    interrupt: threading.Event = field(default_factory=threading.Event)


@dataclass
class Metrics:
    """The last value of each metric that the job's regular expressions found in its log."""

    patterns: list[tuple[str, re.Pattern[str]]]
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Record) -> "Metrics":
        """The metrics that a job defines."""
        definitions = job["AlgorithmSpecification"].get("MetricDefinitions", [])
        return cls([(each["Name"], re.compile(each["Regex"])) for each in definitions])

    def read(self, line: str) -> None:
        """Look at one line."""
        for name, pattern in self.patterns:
            match = pattern.search(line[:MAX_METRIC_LINE])
            if match is None or not match.groups():
                continue
            with contextlib.suppress(ValueError, TypeError):
                value = float(match.group(1))
                if math.isfinite(value):
                    self.values[name] = {"MetricName": name, "Value": value, "Timestamp": int(time.time())}


def fill(job: Record, layout: Layout, engine: Engine) -> None:
    """Make the folders and bring data, source and checkpoints in."""
    layout.make()
    script_mode.write_config(job, layout)
    for channel in job.get("InputDataConfig", []):
        _download_channel(channel, layout.data / channel["ChannelName"], engine)
    packed, scratch = layout.temporary / "sourcedir.tar.gz", layout.temporary / "sourcedir.tar"
    url = script_mode.source(job)
    try:
        engine.download(*bucket_and_key(url), packed, MAX_PACKED_SOURCE_BYTES)
    except (*FAULTS, ValueError) as error:
        raise JobError(f"ClientError: sagemaker_submit_directory {url} could not be downloaded: {error}") from error
    unpack_source(packed, layout.code, scratch)
    packed.unlink()
    folder = script_mode.checkpoint_folder(job, layout)
    folder.mkdir(parents=True, exist_ok=True)
    if "CheckpointConfig" in job:
        _download(job["CheckpointConfig"]["S3Uri"].rstrip("/") + "/", folder, engine)


def _download_channel(channel: Mapping[str, Any], folder: Path, engine: Engine) -> None:
    source = channel["DataSource"]["S3DataSource"]
    folder.mkdir()
    if _download(source["S3Uri"], folder, engine) == 0:
        bucket, _ = bucket_and_key(source["S3Uri"])
        raise JobError(
            f'ClientError: Data download failed:No S3 objects found under S3 URL "{source["S3Uri"]}" given in input '
            f"data source. Please ensure that the bucket {bucket} exists and that objects exist under that S3 prefix."
        )


def _download(url: str, folder: Path, engine: Engine) -> int:
    """All objects under a prefix into a folder, under their names after the prefix's last folder; how many."""
    bucket, prefix = bucket_and_key(url)
    try:
        keys = [key for key, _ in engine.objects(url) if not key.endswith("/")]
        downloads = [(key, place_within(folder, _relative(key, prefix))) for key in keys]
        with ThreadPoolExecutor(DOWNLOADS_AT_A_TIME) as pool:
            for done in [pool.submit(engine.download, bucket, key, path, MAX_OBJECT_BYTES) for key, path in downloads]:
                done.result()
    except (*FAULTS, ValueError) as error:
        raise JobError(f"ClientError: Data download failed: {error}") from error
    return len(keys)


def _relative(key: str, prefix: str) -> str:
    rest = key[len(prefix) :]
    if rest.startswith("/") or prefix.endswith("/"):
        return rest.removeprefix("/")
    return key[prefix.rfind("/") + 1 :]


@dataclass(frozen=True)
class Room:
    """What one job runs with."""

    layout: Layout
    engine: Engine
    settings: Settings
    control: Control
    metrics: Metrics
    log: JobLog


def run(job: Record, room: Room, seconds_left: float, on_stop: Callable[[], None]) -> str:
    """Run the program to its end: why it "ended", or was told to end before, of which `on_stop` is told."""
    layout, control, settings = room.layout, room.control, room.settings
    # Before the program: what it writes as it starts is a change, too.
    keeper = Checkpoints(job, layout, room.engine)
    command = script_mode.command(job, layout, settings.training_python)
    own = script_mode.environment(job, layout, room.engine, str(SITE), os.environ)
    own["VEHICLEVISION_LEFT_OUT"] = str(CHECKOUT)
    last_lines: deque[str] = deque(maxlen=LAST_LINES)

    def hear(stream: IO[bytes]) -> None:
        """Every line until the program and all that it started are silent."""
        while line := stream.readline(MAX_LINE):
            text = line.decode(errors="replace").rstrip("\r\n")
            last_lines.append(text)
            room.log.add(text)
            room.metrics.read(text)

    if (layout.code / "requirements.txt").exists():
        room.log.add("requirements.txt is not installed on this machine: the program has what its Python has.")
    deadline, cause = time.monotonic() + seconds_left, ""
    try:
        with processes.tied(command, own, layout.code, subprocess.PIPE) as program:
            reader = threading.Thread(target=hear, args=(program.stdout,), daemon=True)
            reader.start()
            while not cause and program.poll() is None:
                time.sleep(POLL_SECONDS)
                keeper.keep_sometimes()
                if control.stop.is_set():
                    cause = "stopped"
                elif control.interrupt.is_set():
                    cause = "interrupted"
                elif time.monotonic() > deadline:
                    cause = "out of time"
            if cause:
                on_stop()
                program.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.wait(settings.stop_seconds)
        reader.join(5)
        keeper.keep()
    finally:
        room.log.flush()
    if not cause and program.returncode != 0:
        raise JobError(failure_reason(layout, command, last_lines, program.returncode))
    return cause or "ended"


def failure_reason(layout: Layout, command: list[str], last_lines: Iterable[str], code: int) -> str:
    """What the program left in output/failure, else its last words, as the toolkit reports them."""
    try:
        text = (layout.output / "failure").read_text(errors="replace")[:MAX_REASON]
    except OSError:
        text = ""
    if not text:
        said = "\n".join(last_lines)[-600:]
        text = f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{said}"\nCommand "{" ".join(command)}"'
    return f"AlgorithmError: {text}, exit code: {code}"


class Checkpoints:
    """Copies what the program writes into its checkpoint folder to S3 while it runs."""

    def __init__(self, job: Record, layout: Layout, engine: Engine) -> None:
        self._url = job.get("CheckpointConfig", {}).get("S3Uri", "").rstrip("/")
        self._folder: Path = script_mode.checkpoint_folder(job, layout)
        self._engine = engine
        self._kept = self._seen()
        self._next = time.monotonic() + CHECKPOINT_SECONDS

    def keep_sometimes(self) -> None:
        """Copy what changed, if it is time to."""
        if self._url and time.monotonic() >= self._next:
            self.keep()
            self._next = time.monotonic() + CHECKPOINT_SECONDS

    def keep(self) -> None:
        """Copy what changed; what cannot be copied now is tried again."""
        if not self._url:
            return
        for name, stamp in self._seen().items():
            if self._kept.get(name) != stamp:
                with contextlib.suppress(*FAULTS, OSError):
                    self._engine.upload(self._folder / name, f"{self._url}/{name}")
                    self._kept[name] = stamp

    def _seen(self) -> dict[str, tuple[int, int]]:
        values = {}
        for path in self._folder.rglob("*") if self._url else ():
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    stat = path.stat()
                    values[path.relative_to(self._folder).as_posix()] = (stat.st_mtime_ns, stat.st_size)
        return values
