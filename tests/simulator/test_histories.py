"""Histories that once broke a promise: each is replayed against the real state machine and the real review."""

from pathlib import Path

import pytest

from tests.simulator.machine import Fault, Run, read_machine
from tests.simulator.promises import broken
from tests.simulator.world import BUCKET, Version, World
from vehiclevision.record import Outcome, announcement_id


@pytest.fixture(params=["STANDARD", "EXPRESS"])
def world(root: Path, request: pytest.FixtureRequest) -> World:
    text = (root / "statemachine/classify_vehicle.asl.json").read_text()
    return World(read_machine(text), read_machine(text, express=True) if request.param == "EXPRESS" else None)


def reach(world: World, run: Run, task: str) -> None:
    """Let a run go on until it stands before a task."""
    while run.task != task:
        world.step(run)


def standing_before(world: World, task: str) -> tuple[Version, Run]:
    """A bicycle's photo whose run stands before a task."""
    version = world.upload("a.jpg", "bicycle")
    run = world.deliver(version)
    reach(world, run, task)
    return version, run


@pytest.mark.parametrize("fault", [Fault.STOPPED_AFTER, Fault.LOST, Fault.LOST_ALWAYS, Fault.BEGUN_ANEW])
def test_what_is_recorded_is_announced_when_started_again(world: World, fault: Fault) -> None:
    """A run that ends between record and announcement, or does not learn that it has recorded, leaves no one untold."""
    version, run = standing_before(world, "putItem")
    world.step(run, fault)
    world.settle()

    world.finish(world.start(version))

    assert broken(world) == []


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LOST_ALWAYS, Fault.STOPPED_AFTER, Fault.BEGUN_ANEW])
def test_an_announcement_whose_answer_is_lost_keeps_its_id(world: World, fault: Fault) -> None:
    """However often it is repeated, also by a restart with another model, consumers see one id and one content."""
    version, run = standing_before(world, "putEvents")
    world.step(run, fault)
    world.model = "m2"
    world.settle()

    world.finish(world.start(version))

    assert broken(world) == []


def test_an_older_photo_started_again_does_not_beat_the_newer(world: World) -> None:
    """The restarted version carries S3's order from its record, so that consumers keep the newer one."""
    old = world.upload("a.jpg", "bicycle")
    run = world.deliver(old)
    reach(world, run, "classify")
    world.step(run, Fault.REFUSED_ALWAYS)
    world.finish(world.deliver(world.upload("a.jpg", "motorcycle")))
    world.settle()

    world.finish(world.start(old))

    record = world.record(old)
    assert record is not None
    assert (record.outcome, record.sequencer) == (Outcome.CLASSIFIED, old.sequencer)
    assert world.said_of(old)[-1]["detail"]["superseded"] is True
    assert broken(world) == []


def test_an_order_that_nobody_knows_is_said_to_be_unknown(world: World) -> None:
    """S3's event never came: the announcement says null, and the times of upload decide."""
    old = world.upload("a.jpg", "bicycle")
    world.finish(world.deliver(world.upload("a.jpg", "motorcycle")))

    world.finish(world.start(old))

    assert world.said_of(old)[0]["detail"]["sequencer"] is None
    assert broken(world) == []


def test_what_is_said_of_the_order_is_what_the_record_says(world: World) -> None:
    """S3's late run knows an order that the run by hand did not; said, it would be unsaid by whoever repeats it."""
    version = world.upload("a.jpg", "bicycle")
    by_hand = world.start(version)
    reach(world, by_hand, "putItem")
    world.step(by_hand, Fault.STOPPED_AFTER)
    world.wait(1200)
    late = world.deliver(version)
    reach(world, late, "updateItem")
    world.step(late, Fault.STOPPED_BEFORE)
    world.settle()

    world.finish(world.start(version))

    assert len(world.said_of(version)) > 1
    assert broken(world) == []


def test_a_persons_word_on_an_overwritten_photo_does_not_beat_the_newer(world: World) -> None:
    """VehicleReviewed has the order of its photo, not of the moment at which it was said."""
    old = world.upload("a.jpg", "unsure")
    world.finish(world.deliver(old))
    world.finish(world.deliver(world.upload("a.jpg", "motorcycle")))

    world.person_decides(old, "bicycle")

    assert world.said_of(old)[-1]["detail"]["superseded"] is True
    assert broken(world) == []


@pytest.mark.parametrize("fault", [Fault.REFUSED_ALWAYS, Fault.LOST_ALWAYS, Fault.LOST, Fault.BEGUN_ANEW])
@pytest.mark.parametrize("task", ["putItem", "putEvents", "updateItem"])
def test_a_persons_word_stands_whatever_the_workflow_still_does(world: World, task: str, fault: Fault) -> None:
    """Between record and announcement a person decides otherwise: the run changes nothing of it."""
    version, run = standing_before(world, task)
    if task == "putItem":
        world.step(run, Fault.LOST)
    world.person_decides(version, "motorcycle")
    world.step(run, fault)
    world.settle()

    world.finish(world.start(version))

    record = world.record(version)
    assert record is not None
    assert (record.label, record.decided_by) == ("motorcycle", "human")
    assert broken(world) == []


def test_a_run_that_begins_anew_does_not_undo_its_own_record(world: World) -> None:
    """After the announcement the engine is killed and the endpoint goes down: CLASSIFIED stays what it is."""
    version, run = standing_before(world, "putEvents")
    world.step(run, Fault.BEGUN_ANEW)
    reach(world, run, "classify")
    world.step(run, Fault.REFUSED_ALWAYS)
    world.settle()

    record = world.record(version)
    assert record is not None
    assert record.outcome is Outcome.CLASSIFIED
    assert broken(world) == []


def test_a_measurement_added_to_the_function_reaches_the_record(world: World) -> None:
    """The workflow does not know which measurements there are: numbers and words are stored as such."""
    version = world.upload("a.jpg", "bicycle")
    world.measurements = {"width": 32, "sharpness": 0.125, "format": "JPEG", "light": "dusk", "tilted": True}

    world.finish(world.deliver(version))

    record = world.record(version)
    assert record is not None
    assert record.measurements == {**world.measurements, "tilted": "true"}


def test_an_announcement_has_the_id_that_anybody_can_work_out(world: World) -> None:
    """The state machine and Python make the same id of the same version."""
    version = world.upload("ä/b c.jpg", "bicycle")

    world.finish(world.deliver(version))

    (event,) = world.said_of(version)
    expected = announcement_id(BUCKET, version.key, version.version_id, Outcome.CLASSIFIED)
    assert event["detail"]["announcement_id"] == expected


def test_a_decision_is_finished_though_the_photo_is_gone(world: World) -> None:
    """The bus was down when a person decided, then the photo was deleted: consumers are told all the same."""
    version = world.upload("a.jpg", "unsure")
    world.finish(world.deliver(version))
    world.person_decides(version, "bicycle", Fault.REFUSED, "bus")
    version.deleted = True

    world.put_right()

    assert [event["detail"]["label"] for event in world.said_of(version)] == ["bicycle"]
    assert broken(world) == []


def test_what_somebody_else_agreed_to_is_recorded_and_told_as_such(world: World) -> None:
    """Who said what, how sure, and that it passed; with the model's own confidence, below the threshold."""
    version = world.upload("a.jpg", "seconded")
    run = world.finish(world.deliver(version))

    record = world.record(version)
    assert record is not None
    opinion = {"by": "rekognition", "label": "bicycle", "confidence": 0.9731}
    assert record.second_opinion == {**opinion, "passed": True}
    assert (record.label, record.confidence, record.seconded_by) == ("bicycle", 0.7, "rekognition")
    assert [event["detail"]["second_opinion"] for event in world.said_of(version)] == [opinion]
    assert len(run.visited) == 6


def test_where_both_differ_a_person_decides_and_sees_both(world: World) -> None:
    """The record keeps what the other said; nobody is told anything until a person has decided."""
    version = world.upload("a.jpg", "disputed")
    world.finish(world.deliver(version))

    record = world.record(version)
    assert record is not None
    assert (record.outcome, record.seconded_by) == (Outcome.NEEDS_REVIEW, None)
    assert record.second_opinion == {"by": "rekognition", "label": "neither", "confidence": 0.6, "passed": False}
    assert world.said_of(version) == []


@pytest.mark.parametrize("fault", [Fault.STOPPED_AFTER, Fault.LOST_ALWAYS])
def test_who_agreed_is_told_by_whoever_announces_later(world: World, fault: Fault) -> None:
    """What is announced from the record says what the first run would have said."""
    version = world.upload("a.jpg", "seconded")
    run = world.deliver(version)
    reach(world, run, "putItem")
    world.step(run, fault)
    world.settle()

    world.finish(world.start(version))

    assert world.said_of(version)
    assert broken(world) == []


def test_a_second_delivery_says_nothing_while_the_first_is_at_it(world: World) -> None:
    """Both runs meet at the record; only the one that won it announces."""
    version = world.upload("a.jpg", "bicycle")
    runs = [world.deliver(version), world.deliver(version)]
    for run in runs:
        reach(world, run, "putItem")
    for run in runs:
        world.finish(run)

    assert [run.status for run in runs] == ["SUCCEEDED", "SUCCEEDED"]
    assert len(world.said_of(version)) == 1
    assert broken(world) == []
