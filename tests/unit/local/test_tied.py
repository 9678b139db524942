"""A command that ends with the one who wanted it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import processes


def test_the_exit_code_and_the_words_come_back(tmp_path: Path) -> None:
    """The command's own code is returned and what it said is in the log."""
    log = tmp_path / "log"

    code = processes.run_tied(["sh", "-c", "echo words; exit 3"], os.environ, tmp_path, log, 20)

    assert (code, log.read_text()) == (3, "words\n")


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    """Nothing of it runs on after its patience is over."""
    with pytest.raises(subprocess.TimeoutExpired):
        processes.run_tied(["sh", "-c", "(sleep 2; touch late) & wait"], os.environ, tmp_path, tmp_path / "log", 1)
    time.sleep(1.5)

    assert not (tmp_path / "late").exists()


def test_a_command_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    """`kill -9` of the starter takes the command and its children along."""
    code = (
        "import os, pathlib, sys; from local import processes; d = pathlib.Path(sys.argv[1])\n"
        "processes.run_tied(['sh', '-c', 'touch begun; (sleep 2; touch late) & wait'], os.environ, d, d / 'log', 20)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=processes.TIED.parents[1])
    while not (tmp_path / "begun").exists():
        time.sleep(0.02)

    starter.kill()
    starter.wait()
    time.sleep(2.5)

    assert not (tmp_path / "late").exists()
