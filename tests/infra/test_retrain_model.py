"""What retraining's state machine promises: bounded, retried, told, watched, and tidy where it fails."""

import copy
import re
from collections.abc import Callable, Iterator

import pytest

from tests.infra.checks import workflow
from tests.infra.project import RETRAIN_MODEL, Json, Project

TOLD = "Announce"
OUTCOMES = frozenset({"HELD_BACK", "REPLACED", "REFUSED", "FAILED"})
# What the endpoint's change may leave behind is taken away, or its place is told to a person.
TIDY = ("Reject version", "Delete endpoint config", "Delete model")
MADE = frozenset({"Await approval", "Approve version", "Create model", "Create endpoint config", "Update endpoint"})
# AWS's names for what these integrations raise, and who names them.
ERRORS = {
    "States.ALL", "States.Timeout", "States.TaskFailed", "Lambda.Unknown", "Sandbox.Timedout",
    "SageMaker.ResourceLimitExceededException", "SageMaker.AmazonSageMakerException",
    "ChallengerRejected",  # retraining/runs.py
    *workflow.TRANSIENT,
}  # fmt: skip


@pytest.fixture
def retraining(project: Project) -> Project:
    """The project with retraining's state machine and template in the place of the application's."""
    return project.of_retraining()


CHECKS: tuple[Callable[[Project], list[str]], ...] = (
    workflow.every_task_has_a_time_limit,
    workflow.every_retry_backs_off,
    workflow.every_task_catches_all_last,
    workflow.every_state_is_reachable,
    workflow.machine_names_no_account,
    workflow.expressions_are_jsonata,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_holds_what_the_application_holds(retraining: Project, check: Callable[[Project], list[str]]) -> None:
    """The same checks as for the workflow of an image."""
    assert check(retraining) == [], check.__doc__


def untold(machine: Json) -> Iterator[str]:
    """Ends that are reached past every announcement, by anything but an announcement that failed."""
    states = machine["States"]
    for end in (name for name, state in states.items() if state["Type"] in ("Succeed", "Fail")):
        reached = _reach(machine, machine["StartAt"], stop={TOLD})
        if end in reached:
            yield end


def unretried(machine: Json) -> Iterator[str]:
    """Tasks without any retry."""
    for name, state in machine["States"].items():
        if state["Type"] == "Task" and not state.get("Retry"):
            yield name


def untidy(machine: Json) -> Iterator[str]:
    """Tasks after the registration whose failure leaves the new version as it is."""
    for name in MADE:
        for catcher in machine["States"][name]["Catch"]:
            if catcher["Next"] != TIDY[0]:
                yield name
    for before, after in zip(TIDY, (*TIDY[1:], TOLD), strict=True):
        state = machine["States"][before]
        if {state["Next"], *(catcher["Next"] for catcher in state["Catch"])} != {after}:
            yield before


def unwatched(machine: Json) -> Iterator[str]:
    """Ways to a replaced model past comparison, approval, update or watch."""
    for name in assigning(machine, "outcome", "REPLACED"):
        for step in ("Register challenger", "Better", "Approve version", "Update endpoint", "Watch", "Look at alarms"):
            if name in _reach(machine, machine["StartAt"], stop={step}):
                yield f"{name}, past {step}"
    if "Update endpoint" in _reach(machine, "Reject version", stop=set()):
        yield "Reject version"


def unknown(machine: Json) -> Iterator[str]:
    """Outcomes that the announcement has no kind of event for, or kinds that no outcome has."""
    announcement = machine["States"][TOLD]["Arguments"]["Entries"][0]["DetailType"]
    kinds = set(re.findall(r"'([A-Z_]+)':", announcement))
    assigned = {word for each in _assigned(machine, "outcome") for word in re.findall(r"[A-Z_]{4,}", each)}
    yield from kinds ^ OUTCOMES
    yield from assigned ^ OUTCOMES


def unnamed(machine: Json) -> Iterator[str]:
    """Errors that nobody raises."""
    for state in machine["States"].values():
        for handler in (*state.get("Retry", []), *state.get("Catch", [])):
            yield from set(handler["ErrorEquals"]) - ERRORS


PROMISES = (untold, unretried, untidy, unwatched, unknown, unnamed)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_it_keeps_its_promises(retraining: Project, promise: Callable[[Json], Iterator[str]]) -> None:
    """Nothing ends untold, unretried, untidy or unwatched, and no error name is made up."""
    assert list(promise(retraining.machine)) == [], promise.__doc__


def past_the_announcement(states: Json) -> None:
    states["Delete model"]["Catch"][0]["Next"] = "Failed"


def without_retry(states: Json) -> None:
    del states["Update endpoint"]["Retry"]


def left_as_it_is(states: Json) -> None:
    states["Create model"]["Catch"][0]["Next"] = "Announce"


def stops_tidying(states: Json) -> None:
    states["Delete endpoint config"]["Catch"][0]["Next"] = "Announce"


def straight_to_the_end(states: Json) -> None:
    states["What became of it"]["Choices"][2]["Next"] = "Still quiet"


def without_approval(states: Json) -> None:
    states["Better"]["Choices"][1]["Next"] = "What is missing"


def replaced_at_once(states: Json) -> None:
    states["Better"]["Choices"][1] |= {"Assign": {"outcome": "REPLACED"}, "Next": "Announce"}


def given_up(states: Json) -> None:
    states["Look at endpoint"]["Catch"][0]["Assign"]["outcome"] = "GIVEN_UP"


def made_up(states: Json) -> None:
    states["Update endpoint"]["Retry"][0]["ErrorEquals"] = ["SageMaker.BusyException"]


@pytest.mark.parametrize(
    ("promise", "weaken"),
    [
        (untold, past_the_announcement),
        (unretried, without_retry),
        (untidy, left_as_it_is),
        (untidy, stops_tidying),
        (unwatched, straight_to_the_end),
        (unwatched, without_approval),
        (unwatched, replaced_at_once),
        (unknown, given_up),
        (unnamed, made_up),
    ],
)
def test_a_weaker_machine_is_caught(
    retraining: Project, promise: Callable[[Json], Iterator[str]], weaken: Callable[[Json], None]
) -> None:
    """Each promise is seen to be broken where it is."""
    machine = copy.deepcopy(retraining.machine)

    weaken(machine["States"])

    assert list(promise(machine)) != []


def test_substitutions_fit(retraining: Project) -> None:
    """Each ${Name} is given by retraining's template, and each one given is used."""
    used = set(re.findall(r"\$\{(\w+)\}", retraining.files[RETRAIN_MODEL]))

    assert used == set(retraining.properties("RetrainModelStateMachine")["DefinitionSubstitutions"])


def test_the_functions_have_all_that_they_read(retraining: Project) -> None:
    """Each variable that the settings read is given to both functions, and nothing besides."""
    text = retraining.files["retraining/settings.py"]
    read = set(re.findall(r'environment\["(\w+)"\]', text)) - {"AWS_REGION"}

    for name in ("StageDataFunction", "RegisterChallengerFunction"):
        assert set(retraining.properties(name)["Environment"]["Variables"]) == read, name


def assigning(machine: Json, variable: str, value: str) -> Iterator[str]:
    """The states of which a rule gives the variable this value."""
    for name, state in machine["States"].items():
        if any(rule.get("Assign", {}).get(variable) == value for rule in (state, *state.get("Choices", []))):
            yield name


def _assigned(machine: Json, variable: str) -> Iterator[str]:
    for state in machine["States"].values():
        for rule in (state, *state.get("Choices", []), *state.get("Catch", [])):
            if variable in rule.get("Assign", {}):
                yield rule["Assign"][variable]


def _reach(machine: Json, start: str, stop: set[str] | frozenset[str]) -> set[str]:
    """Every state on the ways from `start`, none of which goes on from `stop`."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen or name in stop:
            continue
        seen.add(name)
        state = machine["States"][name]
        rules = [*state.get("Choices", []), *state.get("Catch", [])]
        waiting += [each for each in (state.get("Next"), state.get("Default"), *(r["Next"] for r in rules)) if each]
    return seen
