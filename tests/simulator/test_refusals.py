"""Whichever task a service refuses until the retries end, the photo is not lost."""

from pathlib import Path

import pytest

from tests.simulator.machine import Fault, Run, read_machine
from tests.simulator.promises import broken
from tests.simulator.world import World

TASKS = ("serialize", "classify", "filter", "putItem", "putEvents", "updateItem")


@pytest.fixture
def world(root: Path) -> World:
    return World(read_machine((root / "statemachine/classify_vehicle.asl.json").read_text()))


@pytest.fixture
def express(root: Path) -> World:
    text = (root / "statemachine/classify_vehicle.asl.json").read_text()
    return World(read_machine(text), read_machine(text, express=True))


def refused(world: World, run: Run, *tasks: str) -> None:
    """The run goes on to each of these tasks in turn, and is refused there until its retries end."""
    for task in tasks:
        while run.task != task:
            world.step(run)
        world.step(run, Fault.REFUSED_ALWAYS)
    world.settle()


@pytest.mark.parametrize("task", TASKS)
def test_a_refusal_leaves_a_record_or_a_letter(world: World, task: str) -> None:
    """The run ends with a record, or with a letter; started again when all is well, it keeps every promise."""
    version = world.upload("a.jpg", "bicycle")
    refused(world, world.deliver(version), task)

    assert world.record(version) or world.letters
    world.finish(world.start(version))
    assert broken(world) == []


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST])
@pytest.mark.parametrize("task", TASKS)
def test_what_needs_patience_is_handed_to_the_standard_workflow(express: World, task: str, fault: Fault) -> None:
    """An Express run waits for nothing: at the first fault the Standard one does the rest, and nobody need help."""
    version = express.upload("a.jpg", "bicycle")
    run = express.deliver(version)
    while run.task != task:
        express.step(run)
    express.step(run, fault)
    express.settle()

    record = express.record(version)
    assert (run.status, run.visited[-1]) == ("SUCCEEDED", "Handed over")
    assert [other.machine for other in express.runs] == [express.express, express.machine]
    assert record is not None
    assert (record.outcome, record.announced_at is not None) == ("CLASSIFIED", True)
    assert (express.letters, broken(express)) == ([], [])


def test_an_outcome_of_express_that_meets_a_fault_ends_as_it_should(express: World) -> None:
    """A photo for review whose record is refused, and a second delivery that cannot read it: one record, no letter."""
    version = express.upload("a.jpg", "unsure")
    for task in ("putItem", "getItem"):
        run = express.deliver(version)
        while run.task != task:
            express.step(run)
        express.step(run, Fault.REFUSED)
        express.settle()

    record = express.record(version)
    assert record is not None
    assert [run.visited[-1] for run in express.runs] == [
        "Handed over",
        "Needs review",
        "Handed over",
        "Already recorded",
    ]
    assert record.outcome == "NEEDS_REVIEW"
    assert (express.letters, broken(express)) == ([], [])


@pytest.mark.parametrize("fault", [Fault.REFUSED_ALWAYS, Fault.LOST_ALWAYS])
def test_an_express_run_that_cannot_hand_over_leaves_a_letter(express: World, fault: Fault) -> None:
    """Step Functions does not start the other run, or does not say so: in one way or the other the photo is kept."""
    version = express.upload("a.jpg", "bicycle")
    run = express.deliver(version)
    express.step(run, Fault.REFUSED)
    express.step(run, fault)
    express.settle()

    assert express.record(version) or [letter["source"] for letter in express.letters] == ["vehiclevision"]
    express.finish(express.start(version))
    assert broken(express) == []


@pytest.mark.parametrize("shows", ["bicycle", "unsure"])
def test_an_outcome_that_cannot_be_recorded_leaves_a_letter(world: World, shows: str) -> None:
    """The table takes nothing: the workflow itself writes the letter, and does not leave that to an event."""
    run = world.deliver(world.upload("a.jpg", shows))
    refused(world, run, "putItem")

    assert run.error == "RECORD_NOT_WRITTEN"
    own = [letter for letter in world.letters if letter["source"] == "vehiclevision"]
    assert [letter["detail"]["input"] for letter in own] == [run.request]


def test_a_record_that_cannot_be_read_leaves_a_letter(world: World) -> None:
    """A second delivery, to which the table does not say what it holds, says so itself and changes nothing."""
    version = world.upload("a.jpg", "bicycle")
    world.finish(world.deliver(version))

    refused(world, world.deliver(version), "getItem")

    assert [letter["source"] for letter in world.letters] == ["vehiclevision", "aws.states"]
    assert len(world.said_of(version)) == 1
    assert broken(world) == []


def test_a_letter_that_cannot_be_written_is_left_to_the_rule(world: World) -> None:
    """Neither table nor queue takes anything: the run still ends under its name, and the rule's letter is there."""
    version = world.upload("a.jpg", "bicycle")
    run = world.deliver(version)

    refused(world, run, "putItem", "sendMessage")

    assert run.error == "RECORD_NOT_WRITTEN"
    assert [letter["source"] for letter in world.letters] == ["aws.states"]
