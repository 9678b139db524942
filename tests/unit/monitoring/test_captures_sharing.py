"""The work shared out between processes: nothing is lost, and no process is left behind."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from monitoring.captures.reader import Block
from monitoring.captures.sharing import Reading, share_out
from monitoring.captures.source import ALL, open_source
from monitoring.errors import MonitoringError
from tests.unit.monitoring.capture_lines import NOON, lines, write


class Lines:
    """Counts lines; what it meets may end it."""

    def __init__(self, end: str = "") -> None:
        self.count, self.closed, self.process, self._end = 0, False, os.getpid(), end

    def take(self, block: Block) -> None:
        self.count += block.lines.count(b"\n")
        if self._end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._end == "raised":
            raise ValueError("a fault of our own")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A long file and many short ones."""
    content = b"\n".join(lines(20)) + b"\n"
    write(tmp_path, NOON, "long", content * 50)
    for number in range(30):
        write(tmp_path, NOON, f"short-{number}", content)
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_line_is_taken_once(folder: Path, workers: int) -> None:
    """Whether by one process or by several."""
    parts = share_out(Reading(open_source(str(folder)), ALL), Lines, workers)

    assert sum(part.count for part in parts) == 20 * 80
    assert all(part.closed for part in parts)
    assert len({part.process for part in parts}) == workers


def test_little_work_is_not_shared(folder: Path) -> None:
    """Starting a process takes longer than reading some megabytes."""
    parts = share_out(Reading(open_source(str(folder)), ALL), Lines)

    assert [part.process for part in parts] == [os.getpid()]


def test_a_process_that_is_killed_is_an_error_in_words(folder: Path) -> None:
    """A summary without its share would be wrong."""
    with pytest.raises(MonitoringError, match="ended before its time"):
        share_out(Reading(open_source(str(folder)), ALL), partial(Lines, "killed"), 2)


def test_a_fault_in_a_process_is_raised_here(folder: Path) -> None:
    """With its own type, as if there were no other process."""
    with pytest.raises(ValueError, match="a fault of our own"):
        share_out(Reading(open_source(str(folder)), ALL), partial(Lines, "raised"), 2)


def test_ctrl_c_ends_all_processes_without_a_trace_of_theirs(tmp_path: Path) -> None:
    """Only the first process hears it, and takes the others along."""
    content = b"\n".join(lines(200)) + b"\n"
    for number in range(100):
        write(tmp_path, NOON, f"{number}", content)
    script = (
        "import signal, sys\n"
        # Whoever starts the tests in the background has them ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from monitoring.captures.source import open_source\n"
        "from monitoring.summary import summarise\n"
        "told = lambda done, found: print(done, flush=True)\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        summarise(open_source(sys.argv[1]), threshold=0.8, workers=2, progress=told)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    (tmp_path / "script.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
    )
    assert process.stdout is not None
    process.stdout.readline()

    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 130
    assert errors == ""
    assert _ends(process.pid)


def test_a_process_that_measures_holds_no_statistics() -> None:
    """What a summary's part imports, each of several processes holds for as long as it works."""
    script = (
        "import sys, monitoring.summary; print(*{'scipy', 'matplotlib', 'onnxruntime', 'boto3'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert answer.stdout.split() == []


def _ends(group: int) -> bool:
    """Whether nobody is left in a process group, within some seconds."""
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
