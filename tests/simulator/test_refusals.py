"""Whichever task a service refuses until the retries end, the photo is not lost."""

from pathlib import Path

import pytest

from tests.simulator.machine import Fault, Run, read_machine
from tests.simulator.promises import broken
from tests.simulator.world import World


@pytest.fixture
def world(root: Path) -> World:
    return World(read_machine((root / "statemachine/classify_vehicle.asl.json").read_text()))


def refused(world: World, run: Run, *tasks: str) -> None:
    """The run goes on to each of these tasks in turn, and is refused there until its retries end."""
    for task in tasks:
        while run.task != task:
            world.step(run)
        world.step(run, Fault.REFUSED_ALWAYS)
    world.settle()


@pytest.mark.parametrize("task", ["serialize", "classify", "filter", "putItem", "putEvents", "updateItem"])
def test_a_refusal_leaves_a_record_or_a_letter(world: World, task: str) -> None:
    """The run ends with a record, or with a letter; started again when all is well, it keeps every promise."""
    version = world.upload("a.jpg", "bicycle")
    refused(world, world.deliver(version), task)

    assert world.record(version) or world.letters
    world.finish(world.start(version))
    assert broken(world) == []


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
