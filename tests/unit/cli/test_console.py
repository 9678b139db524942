"""Review on the page: held while it is looked at, taken back in time, and taken for good only after that."""

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from cli.target import Target
from console import app
from console.deployed import desk_of
from console.errors import ConsoleError
from console.ledger import Ledger, identity_of
from console.reviewing import TRIES, UNDO_SECONDS, ReviewTable, interest
from console.searching import Search, find
from console.uploads import key_of
from monitoring.errors import LabelRefusedError
from monitoring.holding import Desk, Reviewer, hold, release
from monitoring.review import decide
from tests.unit.cli.test_review import SURE, UNSURE, Bus, recorded
from vehiclevision.record import Record

ADA, BOB = Reviewer("Ada", "one"), Reviewer("Bob", "two")


class FaultyBus(Bus):
    """A bus that so often cannot be reached."""

    faults = 0
    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.meanwhile()
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


def test_a_word_is_announced_when_its_ten_seconds_are_over_and_not_before(
    table: ReviewTable, clock: Clock, bus: FaultyBus
) -> None:
    """An undone word leaves nothing on record and on the bus; one that stands is taken once."""
    shown = next(each.record for each in table.waiting())
    table.decide(ADA, shown, "bicycle")
    clock.now += UNDO_SECONDS - 1
    table.take_due()
    assert bus.heard == []

    back = table.undo(ADA)
    assert back is not None
    assert identity_of(back) == identity_of(shown)
    assert table.undo(ADA) is None
    table.decide(ADA, back, "motorcycle")
    clock.now += UNDO_SECONDS
    table.take_due()
    table.take_due()

    assert [event["label"] for event in bus.heard] == ["motorcycle"]
    assert table.sitting(ADA).done == 1


def test_a_word_on_its_way_is_shown_until_it_is_known_what_became_of_it(
    table: ReviewTable, clock: Clock, bus: FaultyBus
) -> None:
    """While the bus takes its time the page goes on asking, nothing can be undone, and nothing is told twice."""
    seen: list[tuple[int, bool]] = []

    def look() -> None:
        seen.append((len(table.pending(ADA)), table.undo(ADA) is None))
        if len(seen) == 1:
            table.take_due()

    bus.meanwhile = look
    table.decide(ADA, table.waiting()[0].record, "bicycle")
    clock.now += UNDO_SECONDS

    table.take_due()

    assert seen == [(1, True)]
    assert table.pending(ADA) == []
    assert len(table.sitting(ADA).messages) == 1


def test_whoever_closes_the_page_has_decided(table: ReviewTable, bus: FaultyBus) -> None:
    """What waits when the page's server ends is taken at once."""
    table.decide(ADA, table.waiting()[0].record, "neither")

    table.take_due(everything=True)

    assert [event["label"] for event in bus.heard] == ["neither"]


def test_a_bus_that_is_down_is_asked_again_and_then_said(table: ReviewTable, clock: Clock, bus: FaultyBus) -> None:
    """A word is announced by a later try; what no try announces is said, and the record tells what is missing."""
    first, second = (each.record for each in table.waiting()[:2])
    bus.faults = 1
    table.decide(ADA, first, "bicycle")
    clock.now += UNDO_SECONDS
    for _ in range(TRIES):
        table.take_due()
        clock.now += 2
    assert [event["label"] for event in bus.heard] == ["bicycle"]

    bus.faults = TRIES
    table.decide(ADA, second, "motorcycle")
    clock.now += UNDO_SECONDS
    for _ in range(TRIES):
        table.take_due()
        clock.now += 2

    key, text, is_good = table.sitting(ADA).messages[0]
    assert (key, is_good) == (second.s3_key, False)
    assert "reconcile --fix" in text
    [standing] = table.ledger.results.versions(second.s3_bucket, second.s3_key)
    assert (standing.reviewed_label, standing.decided_by) == ("motorcycle", None)


def test_a_fault_of_our_own_is_told_and_holds_up_no_other_word(
    table: ReviewTable, clock: Clock, bus: FaultyBus, caplog: pytest.LogCaptureFixture
) -> None:
    """The person is told what finishes the word, the log has the fault, and the next word is taken."""
    for waiting in table.waiting()[:2]:
        table.decide(ADA, waiting.record, "bicycle")
    faults = [ValueError("of our own")]

    def fail_once() -> None:
        if faults:
            raise faults.pop()

    bus.meanwhile = fail_once
    clock.now += UNDO_SECONDS

    table.take_due()

    told = [(text, is_good) for _, text, is_good in table.sitting(ADA).messages]
    assert [is_good for _, is_good in told] == [True, False]
    assert "The page itself is at fault" in told[1][0]
    assert "ValueError: of our own" in caplog.text
    assert table.pending(ADA) == []


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
    with pytest.raises(ConsoleError, match="no label"):
        table.decide(ADA, table.waiting()[0].record, label)


def test_why_a_photo_comes_is_said(deployed: Target) -> None:
    """In a few words, for each kind."""
    torn = recorded(deployed, "uploads/t.jpg", "NEEDS_REVIEW", **UNSURE)
    near = recorded(deployed, "uploads/n.jpg", "NEEDS_REVIEW", **unsure(0.74))
    sure = recorded(deployed, "uploads/s.jpg", "CLASSIFIED", **SURE)

    whys = [interest(record, 0.76).why for record in (torn, near, sure)]

    assert whys == ["two labels at odds", "close to the threshold", "sure, drawn for a check"]


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
