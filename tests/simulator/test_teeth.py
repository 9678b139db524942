"""Each defence of the workflow is worth something: taken out alone, a short list of histories breaks a promise."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator.machine import Fault, Json, read_machine
from tests.simulator.promises import broken
from tests.simulator.world import World

ASL = Path(__file__).resolve().parents[2] / "statemachine/classify_vehicle.asl.json"
FAULTS = (Fault.STOPPED_AFTER, Fault.LOST, Fault.LOST_ALWAYS, Fault.BEGUN_ANEW)


def complaints(machine: Json) -> Iterator[str]:
    """What is broken in any of some histories: a fault, a person or none, a newer photo, another model, a restart."""
    for task in ("putItem", "putEvents"):
        for fault in FAULTS:
            for person in (False, True):
                world = World(machine)
                version = world.upload("a.jpg", "bicycle")
                run = world.deliver(version)
                while run.task != task:
                    world.step(run)
                world.step(run, fault)
                if person:
                    world.person_decides(version, "motorcycle")
                world.finish(world.deliver(world.upload("a.jpg", "motorcycle")))
                world.model = "m2"
                world.settle()
                world.finish(world.start(version))
                yield from broken(world)


def a_record_written_over(states: Json) -> None:
    del states["Record vehicle"]["Arguments"]["ConditionExpression"]


def a_record_that_nobody_reads(states: Json) -> None:
    states["Record vehicle"]["Catch"][0]["Next"] = "Already recorded"


def an_id_of_the_moment(states: Json) -> None:
    states["Announce vehicle"]["Arguments"]["Entries"][0]["Detail"]["announcement_id"] = "{% $uuid() %}"


def the_answer_of_the_run_instead_of_the_record(states: Json) -> None:
    del states["What is missing"]["Choices"][2]["Assign"]


WEAKENED = (
    a_record_written_over,
    a_record_that_nobody_reads,
    an_id_of_the_moment,
    the_answer_of_the_run_instead_of_the_record,
)


def test_with_all_its_defences_nothing_is_broken() -> None:
    """The state machine as it is keeps every promise in these histories."""
    assert list(complaints(read_machine(ASL.read_text()))) == []


@pytest.mark.parametrize("weaken", WEAKENED)
def test_a_missing_defence_is_noticed(weaken: Callable[[Json], None]) -> None:
    """Without it one of the histories breaks a promise."""
    machine = copy.deepcopy(read_machine(ASL.read_text()))
    weaken(machine["States"])

    assert next(complaints(machine), None)
