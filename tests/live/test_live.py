"""In an account of AWS's, for whoever has one: deployed, asked, taken down. It never runs by itself."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli import samples
from tests.live.journey import (
    CEILING_VARIABLE,
    LONGEST_HOURS,
    SWITCH,
    Step,
    back,
    dollars_at_most,
    refusal,
    there,
)
from training.artefact import DEFAULT_MODEL


@pytest.mark.timeout(int(2 * LONGEST_HOURS * 3600))
def test_from_an_empty_account_and_back(tmp_path: Path) -> None:
    """Photos that are dropped are recorded, and afterwards nothing is left that costs; a failure takes down too."""
    photos = [sample.path for sample in samples.of()[:4]]
    if reason := refusal(os.environ, len(photos)):
        pytest.skip(reason)
    deadline, said = time.monotonic() + LONGEST_HOURS * 3600, ""

    try:
        for step in there(DEFAULT_MODEL, photos):
            said = _run(step, deadline - time.monotonic())
    finally:
        left = json.loads(_run(back(), 3600).splitlines()[-1])

    recorded = [json.loads(line) for line in said.splitlines()]
    assert {each["outcome"] for each in recorded} <= {"CLASSIFIED", "NEEDS_REVIEW"}
    assert len(recorded) == len(photos)
    assert left["left"] == []


def _run(step: Step, seconds: float) -> str:
    command = [str(Path(sys.executable).with_name("vehiclevision")), *step.command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=max(seconds, 1))
    assert done.returncode == 0, f"{step.words}: {done.stderr[-2000:]}"
    return done.stdout


def test_each_step_is_a_command_that_there_is(root: Path) -> None:
    """The list of all that can be typed has every command and option of the journey."""
    offered = _offered(root)
    for step in [*there(DEFAULT_MODEL, [Path("a.jpg")]), back()]:
        name = next(name for name in sorted(offered, key=len, reverse=True) if " ".join(step.command).startswith(name))
        options = {word for word in step.command if word.startswith("--")}
        assert options <= offered[name], step.words


def _offered(root: Path) -> dict[str, set[str]]:
    offered: dict[str, set[str]] = {}
    name = ""
    for line in (root / "tests/unit/cli/commands.txt").read_text().splitlines():
        if line.startswith("vehiclevision "):
            name = line.removeprefix("vehiclevision ").partition(" [")[0]
        offered.setdefault(name, set()).update(word for word in line.split() if word.startswith("--"))
    return {name: options for name, options in offered.items() if name}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, f"set {SWITCH}=1"),
        ({SWITCH: "yes", CEILING_VARIABLE: "100"}, f"set {SWITCH}=1"),
        ({SWITCH: "1"}, "allows $0.00"),
        ({SWITCH: "1", CEILING_VARIABLE: "0.10"}, "allows $0.10"),
    ],
)
def test_it_spends_nothing_that_was_not_allowed(environment: dict[str, str], says: str) -> None:
    """Without the switch, or with a ceiling below what it may cost, it does not begin."""
    assert says in refusal(environment, 4)


def test_it_begins_within_its_ceiling() -> None:
    """An hour of the endpoint, twenty minutes of a build, a few photos and the metrics that they count."""
    assert 0.33 < dollars_at_most(4) < 3
    assert refusal({SWITCH: "1", CEILING_VARIABLE: "3"}, 4) == ""
