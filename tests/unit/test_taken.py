"""What the tests went through in the workflows is read rightly from histories, and a gap is named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workflow import taken

MACHINE: dict[str, Any] = {
    "States": {
        "Ask": {
            "Type": "Task",
            "Next": "Tell",
            "Catch": [
                {"ErrorEquals": ["NotNow"], "Next": "Tell"},
                {"ErrorEquals": ["States.ALL"], "Next": "Give up"},
            ],
        },
        "Tell": {"Type": "Succeed"},
        "Give up": {"Type": "Fail"},
    }
}


def history(*steps: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Events as Step Functions lists them."""
    for kind, told in steps:
        if kind.endswith("StateEntered"):
            yield {"type": kind, "stateEnteredEventDetails": {"name": told}}
        elif kind.endswith("Failed"):
            yield {"type": kind, "taskFailedEventDetails": {"error": told, "cause": "…"}}
        else:
            yield {"type": kind}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("TaskSucceeded", "")], set()),
        ([("TaskFailed", "NotNow")], {"Ask: NotNow -> Tell"}),
        ([("LambdaFunctionFailed", "Other")], {"Ask: States.ALL -> Give up"}),
        ([("TaskFailed", "NotNow"), ("TaskSucceeded", "")], set()),
    ],
)
def test_a_catch_counts_only_if_the_state_was_left_by_it(steps: list[tuple[str, str]], expected: set[str]) -> None:
    """An error that a retry made good is no catch, although the state may lead to the same next one."""
    events = history(("TaskStateEntered", "Ask"), *steps, ("TaskStateExited", ""), ("SucceedStateEntered", "Tell"))

    assert set(taken.went_through(MACHINE, events)) == {"Ask", "Tell"} | expected


def test_what_nobody_went_through_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of several processes add up; the program ends with 1 and names each way that none of them has."""
    name, machine = next(iter(taken.machines().items()))
    every = taken.ways(machine)
    for other, ways in ((other, taken.ways(body)) for other, body in taken.machines().items()):
        taken.write(tmp_path, other, ways[: len(ways) // 2])
        taken.write(tmp_path, other, ways[len(ways) // 2 : -1] if other == name else ways)

    code = taken.main(tmp_path, {})

    assert code == 1
    assert f"not taken: {every[-1]}" in capsys.readouterr().out
    taken.write(tmp_path, name, every[-1:])
    assert taken.main(tmp_path, {}) == 0


def test_every_way_of_the_workflows_has_a_name_of_its_own() -> None:
    """No two states or catches of a machine are taken for one another, and both machines are known."""
    assert {"classify_vehicle", "retrain_model"} <= set(taken.machines())
    for machine in taken.machines().values():
        ways = taken.ways(machine)
        assert len(ways) == len(set(ways))
        assert json.dumps(ways)
