"""Which states and which catches of the workflows the tests went through, read from the histories of their runs.

    VEHICLEVISION_TAKEN=folder pytest …; python -m tests.workflow.taken folder

Each local AWS that ends writes what its executions went through into that folder; the program adds them up, says what
no test went through, and fails if that is more than is listed here.
"""

import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.site.workflows import definitions

FOLDER_VARIABLE = "VEHICLEVISION_TAKEN"
ROOT = Path(__file__).resolve().parents[2]
# Ways that only a service of AWS's own can be at fault for, and that no test brings about, each with its reason.
NOT_TAKEN: Mapping[str, frozenset[str]] = {
    # Only a quota of AWS's leads there; tests/unit/retraining/test_machine.py has both requests refused.
    "retrain_model": frozenset({"Train without spot: States.ALL -> Announce"}),
}


def ways(machine: Mapping[str, Any]) -> list[str]:
    """Every state of a machine by its name, and every catch as `state: errors -> next`."""
    states: Mapping[str, Mapping[str, Any]] = machine["States"]
    return [*states, *(way(name, catch) for name, state in states.items() for catch in state.get("Catch", []))]


def way(state: str, catch: Mapping[str, Any]) -> str:
    """The name of a catch; what is handed over matches other errors in an Express workflow than in a Standard one."""
    if catch["Next"] == "Hand over":
        return f"{state}: a fault in Express -> Hand over"
    return f"{state}: {', '.join(catch['ErrorEquals'])} -> {catch['Next']}"


def went_through(machine: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The ways of one execution: a catch is what follows when the last thing told of a state is an error."""
    states, name, error = machine["States"], "", ""
    for event in events:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            name, error = event["stateEnteredEventDetails"]["name"], ""
            if name in states:
                yield name
        elif kind.endswith("StateExited"):
            if error:
                yield from _caught(states.get(name, {}), name, error)
        elif kind.endswith("Succeeded"):
            error = ""
        else:
            error = next((details["error"] for details in event.values() if _tells_error(details)), error)


def _tells_error(details: object) -> bool:
    return isinstance(details, dict) and bool(details.get("error"))


def _caught(state: Mapping[str, Any], name: str, error: str) -> Iterator[str]:
    for catch in state.get("Catch", []):
        if matches(catch["ErrorEquals"], error):
            yield way(name, catch)
            return


def matches(error_equals: Iterable[str], error: str) -> bool:
    """Whether a Retry or Catch is for this error, as the States Language has it."""
    names = set(error_equals)
    return bool({error, "States.ALL"} & names) or ("States.TaskFailed" in names and error != "States.Timeout")


def note(client: Callable[[str], Any]) -> None:
    """Write down what the executions of this AWS went through, where someone asks for it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    states = client("stepfunctions")
    by_states = {frozenset(machine["States"]): name for name, machine in machines().items()}
    for listed in states.list_state_machines()["stateMachines"]:
        described = states.describe_state_machine(stateMachineArn=listed["stateMachineArn"])
        machine = json.loads(described["definition"])
        if name := by_states.get(frozenset(machine["States"])):
            write(Path(folder), name, _of_executions(states, listed["stateMachineArn"], machine))


def _of_executions(states: Any, arn: str, machine: Mapping[str, Any]) -> set[str]:
    """Failed runs first, since most catches are theirs; no more are read once nothing is missing."""
    taken: set[str] = set()
    for status in ("FAILED", "SUCCEEDED"):
        for page in states.get_paginator("list_executions").paginate(stateMachineArn=arn, statusFilter=status):
            for execution in page["executions"]:
                pages = states.get_paginator("get_execution_history").paginate(
                    executionArn=execution["executionArn"], includeExecutionData=False
                )
                taken.update(went_through(machine, (event for found in pages for event in found["events"])))
                if taken.issuperset(ways(machine)):
                    return taken
    return taken


def write(folder: Path, name: str, taken: Iterable[str]) -> None:
    """One file for each AWS and machine, so that tests side by side do not meet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.{uuid.uuid4().hex}.json").write_text(json.dumps(sorted(set(taken))), "utf-8")


def machines() -> dict[str, dict[str, Any]]:
    """The project's state machines, by the stem of their file."""
    paths = definitions(ROOT)
    return {path.name.removesuffix(".asl.json"): json.loads(path.read_text("utf-8")) for path in paths}


def missing(folder: Path, name: str, machine: Mapping[str, Any]) -> list[str]:
    """What no test of these went through."""
    taken: set[str] = set()
    for path in folder.glob(f"{name}.*.json"):
        taken.update(json.loads(path.read_text("utf-8")))
    return [each for each in ways(machine) if each not in taken]


def main(folder: Path, not_taken: Mapping[str, frozenset[str]] = NOT_TAKEN) -> int:
    """Say how much was gone through; 1 if something is missing that is not listed, or listed that is not missing."""
    code = 0
    for name, machine in machines().items():
        every, left = ways(machine), missing(folder, name, machine)
        print(f"{name}: {len(every) - len(left)} of {len(every)} states and catches taken by some test")
        listed = not_taken.get(name, frozenset())
        for untaken in left:
            print(f"  not taken: {untaken}" + ("" if untaken in listed else f"  (test it, or list it in {__file__})"))
        for untaken in sorted(listed - set(left)):
            print(f"  taken after all, so take it off the list: {untaken}")
        code |= set(left) != listed
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
