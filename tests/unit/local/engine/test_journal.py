"""The journal keeps every entry, whatever happens to its process."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.services import cloudwatch_logs

from local.engine.journal import Journal
from local.engine.saving import Saver


def test_entries_are_read_back_in_order(tmp_path: Path) -> None:
    """Another opening of the file finds the latest value of each key, in the order of writing."""
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.put("row", ["t", "é😀\x00'"], {"n": 1})
    journal.put_all([("row", ["t", "b"], {"n": 2}), ("row", ["t", "c"], {"n": 3})])
    journal.put("row", ["t", "b"], {"n": 4})
    journal.delete("row", ["t", "c"])
    journal.put("other", ["t", "b"], None)

    found = list(Journal(tmp_path / "journal.sqlite3").read("row"))

    assert [key for key, _ in found] == [["t", "é😀\x00'"], ["t", "b"]]
    assert [value for _, value in found] == [{"n": 1}, {"n": 4}]


def test_one_entry_is_found_without_reading_the_others(tmp_path: Path) -> None:
    """A key gives its value, and nothing when it is not there."""
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.put("row", ["a"], [1, 2])

    assert journal.get("row", ["a"]) == [1, 2]
    assert journal.get("row", ["b"]) is None


def test_what_was_put_survives_kill_9(tmp_path: Path) -> None:
    """A process that kills itself right after a put has not lost it."""
    path = tmp_path / "journal.sqlite3"
    code = (
        "import os, pathlib, sys; from local.engine.journal import Journal; j = Journal(pathlib.Path(sys.argv[1]))\n"
        "for i in range(500): j.put('row', [str(i)], i)\n"
        "os.kill(os.getpid(), 9)"
    )

    subprocess.run([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[4], check=False)

    assert [value for _, value in Journal(path).read("row")] == list(range(500))


def test_a_cleared_journal_is_empty(tmp_path: Path) -> None:
    """Nothing of any kind is left."""
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.put("row", ["a"], 1)

    journal.clear()

    assert list(journal.read("row")) == []


def test_log_lines_that_could_not_be_saved_are_saved_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dictionary that changes under the look breaks it off: what it had come to by then is not taken for saved."""
    streams = {"a": {"events": [{"message": "once"}]}}

    breaks = ["dictionary changed size during iteration"]

    def groups() -> Any:
        yield ("account", "region", "group"), {"streams": streams}
        if breaks:
            raise RuntimeError(breaks.pop())

    monkeypatch.setattr(cloudwatch_logs, "_log_groups", SimpleNamespace(all_items=groups))
    journal = Journal(tmp_path / "journal.sqlite3")
    saver = Saver(journal)

    saver.save_at_the_end()
    assert list(journal.read("stream")) == []
    saver.save_at_the_end()

    assert [stream["events"][0]["message"] for _, stream in journal.read("stream")] == ["once"]
