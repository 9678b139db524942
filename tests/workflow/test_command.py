"""The command as a person runs it, against the deployed application: the README's steps, with hostile file names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import samples
from tests.workflow.driver import Application

FIELDS = ["key", "version_id", "outcome", "label", "confidence", "route", "reason", "seconds"]
NAMES = ["plain.jpg", "a+b 100%.jpg", "\"quoted\" & 'single'.jpg", "🚲.jpg", ".hidden.jpg", "deeper/below.jpg"]


@pytest.fixture
def vehiclevision(application: Application) -> "Command":
    """The installed command, working on this suite's local AWS."""
    return Command(application.aws.state_dir)


class Command:
    """Runs the command in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self._environment = {**os.environ, "VEHICLEVISION_DIRECTORY": str(directory), "COLUMNS": "100"}

    def __call__(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).with_name("vehiclevision")), *map(str, arguments)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def test_a_dropped_folder_gives_a_line_of_json_for_every_file(vehiclevision: Command, tmp_path: Path) -> None:
    """Whatever its name, each file ends with one line: the promised fields, a key that ends with the file's name."""
    bicycle = next(sample.content for sample in samples.of() if sample.label == "bicycle")
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bicycle)
    (tmp_path / "notes.txt").write_text("no picture")

    run = vehiclevision("drop", tmp_path, "--json")

    assert run.returncode == 0, run.stderr
    lines = {line["key"]: line for line in map(json.loads, run.stdout.splitlines())}
    assert len(lines) == len(NAMES) + 1
    assert all(list(line) == FIELDS for line in lines.values())
    for name in NAMES:
        (line,) = (line for key, line in lines.items() if key.endswith(f"/{name}"))
        assert (line["outcome"], line["label"], line["route"]) == ("CLASSIFIED", "bicycle", "nearby")
    (junk,) = (line for key, line in lines.items() if key.endswith("/notes.txt"))
    assert (junk["outcome"], junk["reason"], junk["label"]) == ("REJECTED", "NOT_AN_IMAGE", None)


def test_results_and_logs_tell_of_a_dropped_file(vehiclevision: Command, tmp_path: Path) -> None:
    """What was dropped is found again by its name, and its story runs through all three functions."""
    motorcycle = next(sample.content for sample in samples.of() if sample.label == "motorcycle")
    photo = tmp_path / "rider 42 (front).jpg"
    photo.write_bytes(motorcycle)
    assert vehiclevision("drop", photo).returncode == 0

    results = vehiclevision("results", photo.name, "--json")
    logs = vehiclevision("logs", photo.name)

    (line,) = map(json.loads, results.stdout.splitlines())
    assert (line["outcome"], line["label"]) == ("CLASSIFIED", "motorcycle")
    for word in ("image_accepted", "prediction_made", "confident", "the run succeeded"):
        assert word in logs.stdout, logs.stderr


def test_the_status_is_up(vehiclevision: Command) -> None:
    """`status` says that images can be dropped, in words and by its exit code."""
    status = vehiclevision("status")

    assert status.returncode == 0
    assert "The local AWS is up." in status.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("drop", "/no/such/folder"), "There is no /no/such/folder"),
        (("logs", "never-uploaded.jpg"), "never-uploaded.jpg"),
        (("start", "no-such-bucket", "key.jpg"), "StorageRefusedError"),
        (("results", "--region", "eu-central-1"), "--stack"),
        (("drop",), "Missing argument"),
        (("fly",), "No such command"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_mistakes_get_a_sentence_and_no_traceback(vehiclevision: Command, arguments: list[str], words: str) -> None:
    """Each mistake on the command line ends with an exit code that is not 0, in words."""
    run = vehiclevision(*arguments)

    assert run.returncode != 0
    assert words in run.stderr + run.stdout
    assert "Traceback" not in run.stderr + run.stdout
