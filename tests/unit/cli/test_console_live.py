"""What pages are told of photos on their way: nothing that happens is told to nobody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import EndpointConnectionError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse

from cli.target import Target
from console import live
from console.app import make_app
from console.pages import photos
from console.site import Site
from tests.unit.cli.recorded import put_record
from vehiclevision.record import iso


@pytest.fixture
def page(deployed: Target) -> Starlette:
    """The page, whose ledger has read what there is."""
    app = make_app(deployed, "Ada", lambda error: None)
    app.state.site.threshold = lambda: 0.76
    app.state.site.ledger.load()
    return app


def stream(app: Starlette, query: str = "", headers: dict[str, str] | None = None) -> AsyncIterator[str]:
    """What a page hears that asks now."""
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": "http",
        "app": app,
        "method": "GET",
        "path": "/live",
        "query_string": query.encode(),
        "headers": raw,
    }

    async def heard() -> AsyncIterator[str]:
        answer = await photos.live(Request(scope))
        assert isinstance(answer, StreamingResponse)
        async for piece in answer.body_iterator:
            yield str(piece)

    return heard()


def recorded(target: Target, key: str, **fields: Any) -> None:
    put_record(target, key, "1", recorded_at={"S": iso(datetime.now(UTC))}, **fields)


async def until(heard: AsyncIterator[str], name: str) -> str:
    """What is said of a photo."""
    async with asyncio.timeout(20):
        async for said in heard:
            if name in said:
                return said
    raise AssertionError(f"the stream ended without a word of {name}")


@contextlib.asynccontextmanager
async def watched(app: Starlette) -> AsyncIterator[Site]:
    """Somebody looks again and again, as long as this lasts."""
    site: Site = app.state.site
    task = asyncio.create_task(site.live.watch())
    try:
        yield site
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_what_a_list_has_read_is_told_to_those_who_watch(page: Starlette, deployed: Target) -> None:
    """A photo's record that another page's list, or the reading of everything, came upon first reaches the stream."""

    async def told(read: Callable[[Site], None], name: str) -> None:
        heard = stream(page)
        await anext(heard)
        recorded(deployed, f"uploads/{name}")
        read(page.state.site)
        async with watched(page):
            assert name in await until(heard, name)
        await heard.aclose()  # type: ignore[attr-defined]

    asyncio.run(told(lambda site: site.ledger.refresh(), "listed.jpg"))
    asyncio.run(told(lambda site: site.ledger.load(), "loaded.jpg"))


@pytest.mark.parametrize("by", ["address", "header"])
def test_what_ended_before_a_page_listened_is_told(page: Starlette, deployed: Target, by: str) -> None:
    """Between the page and its stream, or while the stream was lost: the page says when it last heard of anything."""
    before = datetime.now(UTC).isoformat()
    query, headers = (urlencode({"since": before}), {}) if by == "address" else ("", {"last-event-id": before})
    recorded(deployed, "uploads/between.jpg")
    page.state.site.ledger.refresh()

    said = asyncio.run(until(stream(page, query, headers), "between.jpg"))

    assert '"ended": true' in said
    assert said.startswith("id: ")


@pytest.mark.parametrize("since", ["", "yesterday", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_none_is_now(page: Starlette, since: str) -> None:
    """Whatever an address says, the stream begins."""

    async def first() -> str:
        return await anext(stream(page, f"since={since}"))

    assert asyncio.run(first()).startswith("retry:")


def test_a_page_that_fell_behind_comes_again(page: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream ends, which makes a browser ask anew; deaf, it would wait for ever."""
    monkeypatch.setattr(live, "MOST_WAITING_MESSAGES", 2)

    async def ends() -> list[str]:
        heard = stream(page)
        pieces = [await anext(heard)]
        for number in range(4):
            page.state.site.live.uploaded(f"uploads/{number}.jpg", "1")
        async with asyncio.timeout(20):
            return pieces + [piece async for piece in heard]

    assert len(asyncio.run(ends())) < 6


def test_a_look_that_breaks_off_tells_what_it_saw(
    page: Starlette, deployed: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs cannot be listed, but the record was read: the page hears of it, and nothing is looked at for ever."""
    recorded(deployed, "uploads/seen.jpg", announced_at={"S": iso(datetime.now(UTC))})
    states = deployed.client("stepfunctions")

    def broken(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="Step Functions")

    monkeypatch.setattr(states, "list_executions", broken)
    site = page.state.site
    monkeypatch.setattr(site.live, "_client", {"stepfunctions": states}.__getitem__)

    async def told() -> None:
        heard = stream(page, "since=9999-01-01T00:00:00Z")
        await anext(heard)
        async with watched(page):
            assert '"ended": true' in await until(heard, "seen.jpg")
        assert site.live.on_their_way() == []

    asyncio.run(told())
