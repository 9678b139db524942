"""What the model's page reckons and waits for."""

import threading
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from console import runbooks
from console.errors import UnknownPageError
from console.ledger import Ledger
from console.month import this_month
from console.runbooks import FOLDER
from console.served import measured
from console.slow import Slow
from lifecycle import costs
from lifecycle.registry import Version
from vehiclevision.record import Record


class Standard:
    """An application whose workflow is a standard one."""

    stack = "vehiclevision"

    def client(self, service: str) -> "Standard":
        return self

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"Parameters": [{"ParameterKey": "WorkflowType", "ParameterValue": "STANDARD"}]}]}


def test_the_month_is_what_its_photos_cost() -> None:
    """Only this month's photos count, what idles by the hour; at its middle the whole month is twice what was used."""
    ledger = Ledger(cast(Any, None), is_complete=True)
    moments = ["2026-10-31T23:59:59.999Z", "2026-11-01T00:00:00.000Z", "2026-11-15T12:00:00.000Z"]
    for number, moment in enumerate(moments):
        item = {"s3_key": {"S": f"uploads/{number}.jpg"}, "outcome": {"S": "CLASSIFIED"}, "recorded_at": {"S": moment}}
        ledger.take(Record.from_item(item))

    month = this_month(cast(Any, Standard()), ledger, is_serverless=False, now=datetime(2026, 11, 16, tzinfo=UTC))

    [bill] = [each for each in costs.profiles(2) if each.profile == "standard-instance"]
    used = bill.dollars_total - bill.dollars_idle
    assert (month.photos, month.is_least, month.elapsed) == (2, False, 0.5)
    assert month.so_far() == pytest.approx(used + bill.dollars_idle / 2)
    assert month.whole == pytest.approx(2 * used + bill.dollars_idle)
    assert sum(map(month.so_far, month.services)) == pytest.approx(month.so_far())
    assert month.services[0] == "SageMaker"


def test_what_is_slow_is_made_once_and_what_goes_wrong_is_told() -> None:
    """While it is being made there is nothing; many who ask make it once; an error reaches whoever asks."""
    go, begun = threading.Event(), []

    def make() -> str:
        begun.append(1)
        go.wait()
        return "made"

    slow = Slow(make, kept_seconds=3600)
    assert [slow.ask() for _ in range(3)] == [None] * 3
    assert slow.is_being_made()
    go.set()
    assert slow.ask(patience_seconds=60) == "made"
    assert begun == [1]

    def fail() -> str:
        raise UnknownPageError("No.")

    with pytest.raises(UnknownPageError):
        Slow(fail, kept_seconds=3600).ask(patience_seconds=60)


def test_every_alarm_leads_to_a_runbook_that_can_be_read() -> None:
    """Each runbook becomes a page whose links lead to runbooks; no other file does."""
    for path in FOLDER.glob("*.md"):
        page = runbooks.page(path.stem)
        assert "<h1>" in page
        for address in page.split('href="')[1:]:
            assert address.startswith("/runbook/")
        assert runbooks.named(f"It is so. Runbook docs/runbooks/{path.name}") == path.stem
    assert runbooks.without("It is so. Runbook docs/runbooks/drift.md") == "It is so."
    for name in ("../guide/console", "nothing", ""):
        with pytest.raises(UnknownPageError):
            runbooks.page(name)


def test_a_version_s_figures_are_told_by_their_pictures() -> None:
    """The registry keeps short texts; what is no figure is left out."""
    properties = {
        "metric own photos accuracy": "0.9712",
        "metric test coverage": "0.9",
        "metric x": "1",
        "labels": "a b",
    }

    assert measured(Version(1, "arn", "Approved", properties)) == {
        "own photos": {"accuracy": 0.9712},
        "test": {"coverage": 0.9},
    }
