"""The first page: drop photos, watch them come through, find them again."""

import asyncio
import contextlib
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from console.errors import ConsoleError
from console.live import Card
from console.pages.rendering import body_of, local, page, part, site_of
from console.searching import Search, find, find_all, today
from vehiclevision.record import Record
from vehiclevision.requests import MAX_KEY_BYTES
from vehiclevision.results import UPLOADS
from vehiclevision.storage import UNVERSIONED

# A comment so often keeps a silent stream open.
SIGN_OF_LIFE_SECONDS: Final = 15.0
# So much before its last look a page hears anew: an index lags, and the clock here is not AWS's.
JUST_NOW: Final = timedelta(seconds=60)
# Somewhat more than the gate takes: what is a little too large is refused there, with a record; this is for the rest.
MAX_BYTES: Final = 32 * 1024 * 1024
COLUMNS: Final = (
    *("recorded_at", "outcome", "label", "confidence", "route", "reason", "s3_key", "version_id", "model_version"),
    *("decided_by", "reviewed_by", "uploaded_at", "announced_at", "execution", "seconded_by"),
)
# A spreadsheet takes what begins so for a formula, and some begin a new cell at a semicolon or a tab.
_FORMULA: Final = re.compile(r"(^|[;\t\r\n])(?=[=+\-@\t\r])")


def listing(request: Request) -> Response:
    """The page itself."""
    site, search, looked_at = site_of(request), Search.from_query(request.query_params), _now()
    site.ledger.keep_up()
    found, totals, cards = find(site.ledger, search), today(site.ledger), site.live.on_their_way()
    return page(request, "photos.html", search=search, found=found, totals=totals, cards=cards, looked_at=looked_at)


async def upload(request: Request) -> Response:
    """Take one file as the request's whole body, under the name that the address gives."""
    site = site_of(request)
    key = key_of(request.query_params.get("name", ""))
    too_large = ConsoleError(f"The file is larger than {MAX_BYTES // 1024**2} MiB.", "Send a smaller photo.")
    body = await body_of(request, too_large, MAX_BYTES)
    put = site.deployed.client("s3").put_object
    answer = await to_thread.run_sync(lambda: put(Bucket=site.bucket, Key=key, Body=body))
    card = site.live.uploaded(key, answer.get("VersionId") or UNVERSIONED)
    return JSONResponse({"id": card.id, "html": await to_thread.run_sync(_rendered, request, card)})


def key_of(name: str) -> str:
    """The key that a file of that name goes to; ConsoleError where S3 can have none."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    key = UPLOADS + "/".join(parts)
    if not parts:
        raise ConsoleError("The file has no name.", "Give it one, then drop it again.")
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise ConsoleError("The file's name is not valid UTF-8, which S3 keys must be.", "Rename it.") from error
    if length > MAX_KEY_BYTES:
        raise ConsoleError(f"The name has {length:,} bytes and S3 allows {MAX_KEY_BYTES:,}.", "Shorten it.")
    return key


async def live(request: Request) -> Response:
    """Every change of a photo on its way, as it comes."""
    return StreamingResponse(_changes(request), media_type="text/event-stream")


def arrivals(request: Request) -> Response:
    """What comes in and what has just ended, for a page that asks again and again where no stream comes through."""
    site, looked_at = site_of(request), _now()
    site.ledger.keep_up()
    cards = [{"id": card.id, "html": _rendered(request, card)} for card in site.live.arrivals(_last_look(request))]
    totals = part(request, "_totals.html", totals=today(site.ledger))
    return JSONResponse({"cards": cards, "totals": totals, "looked_at": looked_at})


def as_csv(request: Request) -> Response:
    """What is shown, all pages of it, for a spreadsheet."""
    site, search = site_of(request), Search.from_query(request.query_params)
    site.ledger.keep_up()
    return StreamingResponse(_csv(find_all(site.ledger, search)), media_type="text/csv", headers=_named("photos.csv"))


def as_json(request: Request) -> Response:
    """What is shown, all pages of it, as one JSON list."""
    site, search = site_of(request), Search.from_query(request.query_params)
    site.ledger.keep_up()
    return StreamingResponse(
        _json(find_all(site.ledger, search)), media_type="application/json", headers=_named("photos.json")
    )


async def _changes(request: Request) -> AsyncIterator[str]:
    site = site_of(request)
    queue = site.live.listen()
    try:
        yield "retry: 2000\n\n"
        for card in reversed([*site.live.on_their_way(), *site.live.ended(_last_look(request))]):
            yield await _event(request, card)
        while site.live.hears(queue):
            try:
                card = await asyncio.wait_for(queue.get(), SIGN_OF_LIFE_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
            else:
                yield await _event(request, card)
    finally:
        site.live.leave(queue)


async def _event(request: Request, card: Card) -> str:
    return await to_thread.run_sync(_written, request, card)


def _written(request: Request, card: Card) -> str:
    totals = part(request, "_totals.html", totals=today(site_of(request).ledger))
    change = {"id": card.id, "html": _rendered(request, card), "ended": card.has_ended, "totals": totals}
    return f"id: {_now()}\ndata: {json.dumps(change)}\n\n"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _last_look(request: Request) -> datetime:
    """From when on a page may have missed something; a stream that was lost says it itself when it comes again."""
    for said in (request.headers.get("last-event-id"), request.query_params.get("since"), _now()):
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(said or "").astimezone(UTC) - JUST_NOW
    raise AssertionError("never reached")


def _rendered(request: Request, card: Card) -> str:
    return part(request, "_card.html", card=card)


def _csv(records: Iterator[Record]) -> Iterator[str]:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(("recorded (local time)", *COLUMNS))
    for record in records:
        fields = record.to_json() | {"seconded_by": record.seconded_by}
        at = local(record.recorded_at).striptags()
        writer.writerow([_harmless(value) for value in (at, *(fields[name] for name in COLUMNS))])
        yield stream.getvalue()
        stream.seek(0)
        stream.truncate()
    yield stream.getvalue()


def _json(records: Iterator[Record]) -> Iterator[str]:
    yield "["
    for number, record in enumerate(records):
        yield (",\n" if number else "\n") + json.dumps(record.to_json())
    yield "\n]\n"


def _harmless(value: object) -> object:
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def _named(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
