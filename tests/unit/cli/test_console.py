"""Review on the page: held while it is looked at, set aside while a word on it may be undone, and taken once."""

import asyncio
import dataclasses
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from cli.target import Target
from console import app
from console.deployed import desk_of
from console.errors import ConsoleError, UnfinishedError
from console.ledger import Ledger
from console.pages.photos import key_of
from console.reviewing import HOLD_SECONDS, ReviewTable, interest
from console.searching import Search, find
from monitoring.errors import LabelRefusedError
from monitoring.holding import Desk, Reviewer, hold, release
from monitoring.review import decide
from tests.unit.cli.test_review import SURE, UNSURE, Bus, recorded
from vehiclevision.record import Record

ADA, BOB = Reviewer("Ada", "one"), Reviewer("Bob", "two")


class FaultyBus(Bus):
    """A bus that so often cannot be reached."""

    faults = 0

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if self.faults:
            self.faults -= 1
            raise EndpointConnectionError(endpoint_url="the bus")
        return super().put_events(Entries)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bus() -> FaultyBus:
    return FaultyBus()


@pytest.fixture
def desk(deployed: Target, bus: FaultyBus) -> Desk:
    return dataclasses.replace(desk_of(deployed), events=bus)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(deployed: Target, desk: Desk, clock: Clock) -> ReviewTable:
    for number in range(3):
        recorded(deployed, f"uploads/{number}.jpg", "NEEDS_REVIEW", **unsure(0.5 + number / 10))
    ledger = Ledger(deployed.results)
    ledger.load()
    return ReviewTable(desk, ledger, lambda: 0.76, clock)


def unsure(confidence: float) -> dict[str, Any]:
    """The fields of an answer that is not sure enough."""
    return {
        **UNSURE,
        "confidence": {"N": str(confidence)},
        "inferences": {"L": [{"N": str(confidence)}, {"N": "0.01"}]},
    }


def test_what_one_holds_nobody_else_decides(deployed: Target, desk: Desk) -> None:
    """Until the hold ends by itself or is given up, and it is never said of a record who holds it."""
    record = recorded(deployed, "uploads/a.jpg", "NEEDS_REVIEW", **UNSURE)
    later = dataclasses.replace(desk, now=lambda: desk.now() + timedelta(seconds=61))

    assert hold(desk, record, ADA, 60) == record
    assert hold(desk, record, BOB, 60) is None
    with pytest.raises(LabelRefusedError, match="looking at this image right now"):
        decide(desk, record, "bicycle", reviewer=BOB)
    assert hold(later, record, BOB, 60) == record
    release(later, record, BOB)
    decide(desk, record, "bicycle", reviewer=ADA)
    assert hold(desk, record, BOB, 60) is None
    [standing] = deployed.results.versions(record.s3_bucket, record.s3_key)
    assert (standing.decided_by, standing.reviewed_by) == ("human", "Ada")


def test_what_teaches_most_comes_first_and_never_to_two(table: ReviewTable) -> None:
    """The photo nearest to the threshold comes to the first, the next one to the second."""
    first = table.next(ADA, table.waiting())
    second = table.next(BOB, table.waiting())

    assert first is not None
    assert second is not None
    assert (first.record.s3_key, second.record.s3_key) == ("uploads/2.jpg", "uploads/1.jpg")


def test_a_photo_whose_word_may_be_undone_is_shown_to_nobody(
    deployed: Target, table: ReviewTable, clock: Clock, bus: FaultyBus
) -> None:
    """Not even to who said it, by this process or another, until the word is undone or its browser gone."""
    other = ReviewTable(table.desk, table.ledger, table.threshold, clock)
    shown = table.next(ADA, table.waiting())
    assert shown is not None

    table.set_aside(ADA, shown.record)
    table.set_aside(ADA, shown.record)

    for process in (table, other):
        assert all(process.next(who, [shown]) is None for who in (ADA, BOB))
    assert len(table.waiting()) == 2
    with pytest.raises(ConsoleError, match="Somebody else"):
        table.take_back(BOB, shown.record)
    with pytest.raises(LabelRefusedError, match="looking at this image right now"):
        table.decide(BOB, shown.record, "bicycle")
    later = dataclasses.replace(table.desk, now=lambda: table.desk.now() + timedelta(seconds=HOLD_SECONDS + 1))
    assert hold(later, shown.record, BOB, 0.0) is not None
    assert bus.heard == []


def test_an_undone_word_leaves_nothing_and_one_that_is_sent_twice_is_taken_once(
    table: ReviewTable, bus: FaultyBus
) -> None:
    """The photo comes back to who undid it; a later word is the one that is announced."""
    shown = table.next(ADA, table.waiting())
    assert shown is not None
    table.set_aside(ADA, shown.record)
    assert table.take_back(ADA, shown.record) == shown.record
    assert bus.heard == []

    table.set_aside(ADA, shown.record)
    said = {table.decide(ADA, shown.record, "motorcycle") for _ in range(2)}

    assert said == {"motorcycle: recorded and announced; the rider goes to distant orders."}
    assert [event["label"] for event in bus.heard] == ["motorcycle"]
    with pytest.raises(LabelRefusedError, match="decided this image meanwhile"):
        table.decide(ADA, shown.record, "bicycle")


def test_what_a_bus_that_is_down_left_half_way_the_same_word_finishes(table: ReviewTable, bus: FaultyBus) -> None:
    """The person is told that it is not finished and what finishes it; the record tells what is missing."""
    record = table.waiting()[0].record
    table.set_aside(ADA, record)
    bus.faults = 1

    with pytest.raises(UnfinishedError, match="could not be taken to its end") as raised:
        table.decide(ADA, record, "bicycle")
    [standing] = table.ledger.results.versions(record.s3_bucket, record.s3_key)
    table.decide(ADA, record, "bicycle")

    assert "reconcile --fix" in raised.value.hint
    assert (standing.reviewed_label, standing.decided_by) == ("bicycle", None)
    assert [event["label"] for event in bus.heard] == ["bicycle"]
    assert len(table.waiting()) == 2


def test_what_stopped_half_way_is_finished_by_whoever_reviews_next(
    deployed: Target, table: ReviewTable, bus: FaultyBus
) -> None:
    """Its process ended, and nobody is shown it any more: the noted word is announced, and the record closed."""
    record = table.waiting()[0].record
    bus.faults = 1
    with pytest.raises(UnfinishedError):
        table.decide(ADA, record, "bicycle")
    later = dataclasses.replace(table.desk, now=lambda: desk_of(deployed).now() + timedelta(seconds=HOLD_SECONDS + 1))

    table.finish()
    assert bus.heard == []  # whoever said it may be at it still
    for _ in range(2):
        dataclasses.replace(table, desk=dataclasses.replace(later, events=bus)).finish()

    [standing] = deployed.results.versions(record.s3_bucket, record.s3_key)
    assert (standing.reviewed_label, standing.decided_by, standing.reviewed_by) == ("bicycle", "human", "Ada")
    assert [event["label"] for event in bus.heard] == ["bicycle"]


def test_work_in_the_background_begins_anew_after_a_fault(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it was, it does not end in silence: the page says it, the log has it, and the work goes on."""
    monkeypatch.setattr(app, "AFTER_FAULT_SECONDS", 0.0)
    site, begun = SimpleNamespace(fault=""), []

    async def work() -> None:
        begun.append(1)
        if len(begun) == 1:
            raise KeyError("lost")
        await asyncio.Event().wait()

    async def some_time() -> None:
        task = asyncio.create_task(app.keep_at(cast("Any", site), "watching photos", work))
        while len(begun) < 2:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(some_time())

    assert site.fault.startswith("This page failed at watching photos (KeyError)")
    assert "KeyError: 'lost'" in caplog.text


@pytest.mark.parametrize("label", ["banana", "", "BICYCLE"])
def test_nothing_is_guessed(table: ReviewTable, label: str) -> None:
    """Only a label is a label."""
    with pytest.raises(LabelRefusedError, match="no label"):
        table.decide(ADA, table.waiting()[0].record, label)


def test_why_a_photo_comes_is_said(deployed: Target) -> None:
    """In a few words, for each kind."""
    torn = recorded(deployed, "uploads/t.jpg", "NEEDS_REVIEW", **UNSURE)
    near = recorded(deployed, "uploads/n.jpg", "NEEDS_REVIEW", **unsure(0.74))
    sure = recorded(deployed, "uploads/s.jpg", "CLASSIFIED", **SURE)

    whys = [interest(record, 0.76).why for record in (torn, near, sure)]

    assert whys == ["two labels at odds", "close to the threshold", "sure, drawn for a check"]


@pytest.mark.parametrize("threshold", [0.55, 0.76, 0.853, 0.95])
def test_nearness_to_the_threshold_counts_the_room_on_its_side(deployed: Target, threshold: float) -> None:
    """An answer as sure as can be is as far from a high threshold as one can be, and comes after an unsure one."""
    unsure_one = recorded(deployed, "uploads/half.jpg", "NEEDS_REVIEW", **unsure(0.5))
    sure = recorded(deployed, "uploads/s.jpg", "CLASSIFIED", **{**SURE, "inferences": unsure(0.999)["inferences"]})

    assert interest(sure, threshold).interest < 0.05 < interest(unsure_one, threshold).interest


def test_what_is_gone_or_changed_is_never_shown_as_it_was(deployed: Target, table: ReviewTable) -> None:
    """An erased record disappears from the list at once, though it is still in memory."""
    gone: Record = table.ledger.newest_first()[0]
    deployed.client("dynamodb").delete_item(
        TableName=deployed.output("ResultsTableName"),
        Key={"object": {"S": f"{gone.s3_bucket}/{gone.s3_key}"}, "version_id": {"S": gone.version_id}},
    )

    found = find(table.ledger, Search())

    assert gone.s3_key not in [record.s3_key for record in found.records]
    assert len(found.records) == 2


@pytest.mark.parametrize(("name", "key"), [("a.jpg", "uploads/a.jpg"), ("../../b//c.jpg", "uploads/b/c.jpg")])
def test_an_upload_stays_among_the_uploads(name: str, key: str) -> None:
    """Whatever a file is called."""
    assert key_of(name) == key


@pytest.mark.parametrize("name", ["", "..", "x" * 1100, "half \ud800"])
def test_a_name_that_can_be_no_key_is_refused(name: str) -> None:
    """In words."""
    with pytest.raises(ConsoleError):
        key_of(name)
