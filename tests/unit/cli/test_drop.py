"""Images in, outcomes out: what `drop` does with a bucket and a results table."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import drop as drop_module
from cli import sources
from cli.commands import drop as drop_command
from cli.drop import KEYS_PER_LOOK
from cli.errors import CommandError
from cli.target import Target
from tests.unit.cli.answers import Answer, Called, known
from tests.unit.cli.recorded import Workflow

FIELDS = ["key", "version_id", "outcome", "label", "confidence", "route", "reason", "seconds"]
Drop = Callable[..., Answer]


@pytest.fixture
def drop(deployed: Target, called: Called) -> Drop:
    """Drop paths into the application, as the command does."""

    def run(*paths: Path, as_json: bool = True, timeout_seconds: float = 30) -> Answer:
        return called(lambda: drop_command.command(list(paths), known(deployed), timeout_seconds, as_json))

    return run


def _files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode(errors="surrogateescape"))
    return folder


def _classified(_: str) -> str:
    return "CLASSIFIED"


SHOWN: str = """
from cli.commands.drop import _Printer, _progress
from cli.drop import Ended
with _progress(1) as progress:
    _Printer(progress, as_json=True).show(Ended("uploads/a.jpg"))
"""


def test_a_bar_on_the_terminal_keeps_nothing_from_the_next_program() -> None:
    """Where standard error is a terminal and standard output is not, each line goes where it was sent, whole."""
    ours, terminal = pty.openpty()

    ran = subprocess.run([sys.executable, "-c", SHOWN], stdout=subprocess.PIPE, stderr=terminal, check=True)

    os.close(terminal)
    assert json.loads(ran.stdout)["key"] == "uploads/a.jpg"
    assert b"uploads/a.jpg" not in os.read(ours, 65_536)
    os.close(ours)


def test_json_is_one_object_a_line_and_nothing_else(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """Each file gives exactly the promised fields, with the version that S3 gave it."""
    _files(tmp_path, "a.jpg", "b.jpg")

    with Workflow(deployed, _classified):
        answer = drop(tmp_path)

    assert answer.code == 0
    lines = {line["key"]: line for line in answer.json_lines()}
    assert set(lines) == {"uploads/a.jpg", "uploads/b.jpg"}
    line = lines["uploads/a.jpg"]
    assert list(line) == FIELDS
    stored = deployed.client("s3").head_object(Bucket=deployed.output("BucketName"), Key="uploads/a.jpg")
    assert line["version_id"] == stored["VersionId"]
    assert (line["outcome"], line["label"], line["confidence"], line["route"]) == (
        "CLASSIFIED",
        "bicycle",
        0.93,
        "nearby",
    )
    assert line["seconds"] >= 0


def test_hostile_names_arrive_as_they_are(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """A name with spaces, signs, quotes, controls or emoji is a key like any other, with its own content."""
    names = ["a b+c%2B.jpg", "qu'o\"te.jpg", "\N{BICYCLE}.jpg", ".hidden", "new\nline", "sub dir/\x9b31m.jpg"]
    _files(tmp_path, *names)

    with Workflow(deployed, _classified):
        answer = drop(tmp_path)

    assert answer.code == 0
    assert {line["key"] for line in answer.json_lines()} == {f"uploads/{name}" for name in names}
    for name in names:
        stored = deployed.client("s3").get_object(Bucket=deployed.output("BucketName"), Key=f"uploads/{name}")
        assert stored["Body"].read() == name.encode()


def test_a_name_cannot_move_the_terminals_cursor(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """Line ends, escapes and bidirectional controls of a name are printed as codes, one line a file."""
    _files(tmp_path, "a\x9b2Jb\nc\u202ed.jpg")

    with Workflow(deployed, _classified):
        answer = drop(tmp_path, as_json=False)

    assert "uploads/a\\x9b2Jb\\nc\\u202ed.jpg" in answer.out
    assert "\x9b" not in answer.out
    assert len(answer.out.splitlines()) == 2


def test_equal_names_do_not_overwrite_each_other(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """Two files x.jpg from two folders become two objects."""
    _files(tmp_path, "a/x.jpg", "b/x.jpg")

    with Workflow(deployed, _classified):
        answer = drop(tmp_path / "a/x.jpg", tmp_path / "b/x.jpg")

    assert {line["key"] for line in answer.json_lines()} == {"uploads/a/x.jpg", "uploads/b/x.jpg"}


@pytest.mark.parametrize(("outcome", "code"), [("CLASSIFIED", 0), ("NEEDS_REVIEW", 0), ("REJECTED", 0), ("FAILED", 1)])
def test_only_failed_makes_the_exit_code_one(
    deployed: Target, drop: Drop, tmp_path: Path, outcome: str, code: int
) -> None:
    """A refused or unsure image has been dealt with; a failed one has not."""
    _files(tmp_path, "good.jpg", "other.jpg")

    with Workflow(deployed, lambda key: outcome if "other" in key else "CLASSIFIED"):
        answer = drop(tmp_path)

    assert answer.code == code
    assert sorted(line["outcome"] for line in answer.json_lines()) == sorted(["CLASSIFIED", outcome])


def test_a_missing_record_ends_the_waiting(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """After the time-out an image without a record is reported as such, and the exit code is 1."""
    _files(tmp_path, "done.jpg", "stuck.jpg")

    with Workflow(deployed, lambda key: None if "stuck" in key else "CLASSIFIED"):
        answer = drop(tmp_path, timeout_seconds=1)

    assert answer.code == 1
    stuck = next(line for line in answer.json_lines() if line["key"] == "uploads/stuck.jpg")
    assert (stuck["outcome"], stuck["reason"]) == (None, "NO_RECORD_YET")
    assert stuck["version_id"]
    assert "nothing was recorded" in answer.err


def test_what_cannot_be_uploaded_is_reported_and_the_rest_goes_on(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """A name too long for S3 gives a line with the reason; the other file is classified; the exit code is 1."""
    _files(tmp_path, "good.jpg", "/".join(["x" * 200] * 6) + "/deep.jpg")

    with Workflow(deployed, _classified):
        answer = drop(tmp_path)

    assert answer.code == 1
    assert {(line["outcome"], line["reason"]) for line in answer.json_lines()} == {
        ("CLASSIFIED", None),
        (None, "NAME_TOO_LONG"),
    }
    assert "shorten the name" in answer.err


def test_a_file_that_is_gone_by_its_turn_is_reported(deployed: Target, tmp_path: Path) -> None:
    """A file that vanished between listing and upload ends with its reason, not the whole drop."""
    _files(tmp_path, "gone.jpg", "good.jpg")
    found, _ = sources.find([tmp_path])
    (tmp_path / "gone.jpg").unlink()

    with Workflow(deployed, _classified):
        events = list(drop_module.drop(deployed, found, 30))

    ends = {end.key: end for end in events if isinstance(end, drop_module.Ended)}
    assert ends["uploads/gone.jpg"].reason == "UNREADABLE"
    assert ends["uploads/good.jpg"].outcome == "CLASSIFIED"


def test_five_gibibytes_and_more_are_refused_here(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """S3 would refuse it after the whole upload; a sparse file shows that not a byte of it is read."""
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(5 * 1024**3 + 1)

    answer = drop(tmp_path)

    assert answer.code == 1
    assert [line["reason"] for line in answer.json_lines()] == ["TOO_LARGE"]


def test_an_error_that_all_uploads_would_meet_ends_the_drop(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """A bucket that is gone is said once, not for each of many files."""
    _files(tmp_path, *(f"{number}.jpg" for number in range(30)))
    deployed.client("s3").delete_bucket(Bucket=deployed.output("BucketName"))

    with pytest.raises(deployed.client("s3").exceptions.NoSuchBucket):
        drop(tmp_path)


def test_an_empty_folder_is_a_mistake_in_the_command(drop: Drop, tmp_path: Path) -> None:
    """Nothing to upload is said at once."""
    with pytest.raises(CommandError, match="no file to upload") as caught:
        drop(tmp_path)

    assert caught.value.exit_code == 2


def test_records_are_asked_for_a_hundred_at_a_time(deployed: Target, drop: Drop, tmp_path: Path) -> None:
    """Waiting for many images takes few calls: BatchGetItem, never one GetItem each, and never too many keys."""
    _files(tmp_path, *(f"{number}.jpg" for number in range(110)))
    calls: list[tuple[str, int]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        table = params.get("RequestItems", {}).get(deployed.output("ResultsTableName"), {})
        calls.append((model.name, len(table.get("Keys", []))))

    deployed.session.events.register("before-parameter-build.dynamodb.*", note)

    with Workflow(deployed, _classified):
        answer = drop(tmp_path)

    assert answer.code == 0
    assert len(answer.json_lines()) == 110
    asked = [(name, keys) for name, keys in calls if name != "PutItem"]
    assert {name for name, _ in asked} == {"BatchGetItem"}
    assert max(keys for _, keys in asked) <= 100 < KEYS_PER_LOOK
