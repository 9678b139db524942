"""The `evaluate` command: what can be typed, what it prints, and where it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.cli.answers import Command
from tests.unit.pictures import encoded
from tests.unit.serving.tiny_model import write_model


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str | Path, ...]:
    """A command line for a folder and a model that knows its two pictures."""
    monkeypatch.chdir(tmp_path)
    for name, colour in (("bicycle", "white"), ("motorcycle", "black")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "a.png").write_bytes(encoded(Image.new("RGB", (40, 40), colour), "PNG"))
    return "evaluate", tmp_path / "photos", "--model", write_model(tmp_path / "model.tar.gz")


def test_the_page_and_its_json_lie_where_they_were_asked_for(
    command: Command, asked: tuple[str | Path, ...], tmp_path: Path
) -> None:
    """Without --out in this folder; the headline is printed, and what a reader must know beforehand."""
    here, there = command(*asked), command(*asked, "--out", tmp_path / "out" / "report.html")

    assert (here.code, there.code) == (0, 0)
    assert "100.0 %" in here.out
    assert "Every picture shows a vehicle" in here.err
    for page in (tmp_path / "evaluation.html", tmp_path / "out" / "report.html"):
        assert page.read_text().startswith("<!doctype html>")
        assert json.loads(page.with_suffix(".json").read_text())["n"] == 2


def test_json_is_all_that_is_printed(command: Command, asked: tuple[str | Path, ...], tmp_path: Path) -> None:
    """One object on standard output; nothing is written unless asked, and then the same."""
    answer = command(*asked, "--json")

    (found,) = answer.json_lines()
    assert (answer.code, found["accuracy"]) == (0, 1.0)
    assert not list(tmp_path.glob("*.html"))
    assert command(*asked, "--json", "--out", tmp_path / "same.html").code == 0
    same = json.loads((tmp_path / "same.json").read_text())
    for report in (found, same):
        del report["milliseconds_per_image"], report["measured_at"]
    assert found == same


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("photos", "--split", "validation"),
        ("--split", "validation"),
        ("--split", "train", "--data", "x"),
        ("photos", "--wrong-cost", "1"),
        ("photos", "--wrong-cost", "-1", "--review-cost", "1"),
        ("photos", "--wrong-cost", "0", "--review-cost", "0"),
        ("photos", "--threshold", "2"),
        ("photos", "--threshold", "nan"),
        ("photos", "--model", "x", "--endpoint", "y"),
        ("photos", "--stack", "x"),
        ("photos", "--model", "nowhere"),
        ("nowhere",),
    ],
)
def test_mistakes_give_two(command: Command, asked: tuple[str | Path, ...], arguments: tuple[str, ...]) -> None:
    """A usage mistake or a file that cannot be measured is exit code 2, in words on standard error only."""
    answer = command("evaluate", *arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.strip()
    assert "Traceback" not in answer.err


def test_an_endpoint_without_the_local_aws_says_how_to_start_it(
    command: Command, asked: tuple[str | Path, ...]
) -> None:
    """Exit code 1, as of every command that needs it."""
    answer = command("evaluate", asked[1], "--endpoint", "vehiclevision")

    assert (answer.code, answer.out) == (1, "")
    assert "The local AWS is not running" in answer.err


def test_only_this_command_loads_what_draws(root: Path) -> None:
    """Help texts and other commands start without matplotlib, jinja2, onnxruntime and torch."""
    program = (
        "import sys; from cli.main import main; main(['--help']); main(['data', '--help']); "
        "main(['status']); main(['results']); "
        "print(sorted({'matplotlib', 'jinja2', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )
    environment = {**os.environ, "VEHICLEVISION_DIRECTORY": "/nowhere/at/all"}

    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, check=True
    )

    assert answer.stdout.splitlines()[-1] == "[]"


def test_json_alone_does_not_wait_for_matplotlib(root: Path, asked: tuple[str | Path, ...]) -> None:
    """Figures for a script are there before anything that draws is loaded; and never PyTorch."""
    program = (
        "import sys; from cli.main import main; main(sys.argv[1:]); "
        "print(sorted({'matplotlib', 'jinja2', 'torch'} & set(sys.modules)))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", program, *map(str, asked), "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.splitlines()[-1] == "[]"
