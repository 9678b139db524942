"""What pages are told of photos on their way: nothing that happens is told to nobody."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import EndpointConnectionError
from starlette.applications import Starlette
from starlette.requests import Request

from cli.target import Target
from console import live
from console.app import make_app
from console.pages import photos
from tests.unit.cli.recorded import put_record
from vehiclevision.record import iso


@pytest.fixture
def page(deployed: Target) -> Starlette:
    """The page, whose ledger has read what there is."""
    app = make_app(deployed, "Ada", lambda error: None)
    app.state.site.threshold = lambda: 0.76
    app.state.site.ledger.load()
    return app


def told(app: Starlette, since: str = "") -> list[str]:
    """The cards that a page gets which asks now."""
    scope = {"type": "http", "app": app, "method": "GET", "path": "/arrivals", "headers": []}
    query = urlencode({"since": since}).encode()
    answer = json.loads(bytes(photos.arrivals(Request({**scope, "query_string": query})).body))
    return [card["html"] for card in answer["cards"]]


def recorded(target: Target, key: str, **fields: Any) -> None:
    put_record(target, key, "1", recorded_at={"S": iso(datetime.now(UTC))}, **fields)


def test_what_ended_before_a_page_asked_is_told(page: Starlette, deployed: Target) -> None:
    """The page says when it last heard of anything, however long ago that was."""
    before = datetime.now(UTC).isoformat()
    recorded(deployed, "uploads/between.jpg", announced_at={"S": iso(datetime.now(UTC))})
    page.state.site.ledger.refresh()

    (said,) = told(page, before)

    assert "between.jpg" in said
    assert "data-ended" in said


@pytest.mark.parametrize("since", ["", "yesterday", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_none_is_now(page: Starlette, since: str) -> None:
    """Whatever an address says, it is answered."""
    assert told(page, since) == []


def test_a_photo_that_was_sent_here_is_told_of_until_it_ends(
    page: Starlette, deployed: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its run has begun, whatever AWS's clock says when it has ended, and if nothing more is heard of it."""
    sent = page.state.site.live
    for name in ("ends", "lost"):
        sent.uploaded(f"uploads/{name}.jpg", "1")
    assert [card.count("data-ended") for card in told(page)] == [0, 0]

    recorded(deployed, "uploads/ends.jpg", outcome="REJECTED")
    page.state.site.ledger.refresh()
    monkeypatch.setattr(live, "OVERDUE_SECONDS", 0.0)
    ended = told(page, "9999-01-01T00:00:00Z")

    assert [("ends" in card, "no news" in card) for card in ended] == [(True, False), (False, True)]
    assert told(page, "9999-01-01T00:00:00Z") == []


def test_a_look_that_breaks_off_tells_what_it_saw(
    page: Starlette, deployed: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs cannot be listed, but the record was read: the page hears of it."""
    recorded(deployed, "uploads/seen.jpg", announced_at={"S": iso(datetime.now(UTC))})
    page.state.site.ledger.refresh()

    def broken(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="Step Functions")

    states = deployed.client("stepfunctions")
    monkeypatch.setattr(states, "list_executions", broken)
    monkeypatch.setattr(Target, "client", lambda target, service: states)

    (said,) = told(page)
    assert "seen.jpg" in said
