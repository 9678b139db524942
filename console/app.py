"""The page as a web application. Who may come in is decided at the door, which is not here."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from anyio import to_thread
from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console import in_use, versions
from console.deployed import Deployed, desk_of
from console.errors import ConsoleError, UnknownPageError
from console.ledger import Ledger
from console.live import Live
from console.pages import model, photo, photos, review
from console.pages.rendering import STATIC, refused, static
from console.pictures import Pictures
from console.reviewing import ReviewTable
from console.site import Site
from console.slow import Slow
from console.threshold import Threshold
from vehiclevision.refusal import Refusal

LOG: Final = logging.getLogger(__name__)
Explain = Callable[[Exception], Refusal | None]

RELOAD_SECONDS: Final = 600.0
TAKE_SECONDS: Final = 0.5
SERVED_SECONDS: Final = 60.0
IN_USE_SECONDS: Final = 300.0
COMPARED_SECONDS: Final = 900.0
AFTER_FAULT_SECONDS: Final = 2.0
# Nothing of a page comes from anywhere else, and nothing in it runs that is not one of our own files.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)


def make_app(deployed: Deployed, user: str, explain: Explain) -> Starlette:
    """The page of one application; `explain` finds words for errors of AWS."""
    ledger = Ledger(deployed.results)
    threshold = Threshold(deployed)
    pictures, served = Pictures(deployed.client("s3")), Slow(lambda: versions.served(deployed), SERVED_SECONDS)
    site = Site(
        deployed=deployed,
        ledger=ledger,
        live=Live(deployed.client, deployed.output("BucketName"), deployed.output("StateMachineArn"), ledger),
        pictures=pictures,
        reviews=ReviewTable(desk_of(deployed), ledger, threshold),
        threshold=threshold,
        in_use=Slow(lambda: in_use.week(deployed), IN_USE_SECONDS),
        served=served,
        compared=Slow(lambda: _compare(site), COMPARED_SECONDS),
        explain=explain,
        user=user,
    )

    async def answer_error(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return refused(request, ConsoleError("There is nothing at this address.", "Begin at the first page."), 404)
        words = error if isinstance(error, Refusal) else explain(error)
        if words is None:
            raise error
        status = 404 if isinstance(error, UnknownPageError) else 409 if isinstance(error, Refusal) else 502
        return refused(request, words, status)

    application = Starlette(
        routes=[
            Route("/", photos.listing),
            Route("/photos.csv", photos.as_csv),
            Route("/photos.json", photos.as_json),
            Route("/photos", photos.upload, methods=["POST"]),
            Route("/live", photos.live),
            Route("/photo", photo.story),
            Route("/photo/run", photo.run_part),
            Route("/photo/again", photo.again, methods=["POST"]),
            Route("/photo/correct", photo.correct, methods=["POST"]),
            Route("/picture", photo.picture),
            Route("/review", review.desk),
            Route("/review", review.act, methods=["POST"]),
            Route("/review/strip", review.strip),
            Route("/model", model.watch),
            Route("/model/in-use", model.in_use_part),
            Route("/model/report", model.report),
            Route("/model/report/page", model.report_page),
            Route("/model/compare", model.compare),
            Route("/model/compare/part", model.compare_part),
            Route("/runbook/{name}", model.runbook),
            *(Route(f"/static/{name}", static(name)) for name in STATIC),
        ],
        middleware=[Middleware(SafeHeaders)],
        exception_handlers={
            Refusal: answer_error,
            ClientError: answer_error,
            BotoCoreError: answer_error,
            HTTPException: answer_error,
        },
        lifespan=lambda app: _background(site),
    )
    application.state.site = site
    return application


class SafeHeaders:
    """Puts the headers that keep a page to itself on every answer, but for those that it says itself.

    Nothing is kept by a browser unless the answer says so.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                if not any(name == b"cache-control" for name, _ in given):
                    given.append((b"cache-control", b"no-store"))
                said = {name for name, _ in given}
                message = {**message, "headers": [*given, *(each for each in HEADERS if each[0] not in said)]}
            await send(message)

        await self._application(scope, receive, send_safely)


def _compare(site: Site) -> versions.Comparison:
    """Both versions as they are served at this moment."""
    served = versions.served(site.deployed)
    if served.now is None or served.before is None:
        raise ConsoleError(served.why, "Two approved versions can be compared, one of which answers.")
    return versions.compare(site.deployed, site.ledger, site.pictures, served.now, served.before)


@contextlib.asynccontextmanager
async def _background(site: Site) -> AsyncIterator[None]:
    """Read the records, watch what is on its way, and take what reviewers decided, until the page is closed."""
    work = {
        "reading the records": lambda: _load(site),
        "watching photos": site.live.watch,
        "taking what reviewers decided": lambda: _take(site),
    }
    tasks = [asyncio.create_task(keep_at(site, name, begin)) for name, begin in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await to_thread.run_sync(lambda: site.reviews.take_due(everything=True))


async def keep_at(site: Site, name: str, begin: Callable[[], Awaitable[None]]) -> None:
    """Work that never ends: after a fault of our own it begins anew, and the log and every page say so."""
    while True:
        try:
            await begin()
        except Exception as error:  # the outermost handler of a task, whose fault nobody else would see
            LOG.exception("The page failed at %s", name)
            site.fault = (
                f"This page failed at {name} ({type(error).__name__}), and began again. Something may be missing here; "
                "its log says more."
            )
        await asyncio.sleep(AFTER_FAULT_SECONDS)


async def _load(site: Site) -> None:
    while True:
        with contextlib.suppress(ClientError, BotoCoreError, Refusal):
            await to_thread.run_sync(site.ledger.load)
        await asyncio.sleep(RELOAD_SECONDS if site.ledger.is_complete else 2.0)


async def _take(site: Site) -> None:
    while True:
        await to_thread.run_sync(site.reviews.take_due)
        await asyncio.sleep(TAKE_SECONDS)
