"""A page as a web application, made of addresses. Who may come in is decided at its door, which is not here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.errors import ConsoleError, UnfinishedError, UnknownPageError, WrongQuestionError
from console.pages import model, photo, photos, review
from console.pages.rendering import STATIC, refused, static
from console.roles import Role
from console.site import Site
from vehiclevision.refusal import Refusal

Explain = Callable[[Exception], Refusal | None]

HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Address:
    """What is answered at an address, and the least role of a person who may ask; or the scope of a system's token."""

    path: str
    answer: Callable[..., Any]
    role: Role
    method: str = "GET"
    scope: str = ""


@cache
def route(address: Address) -> Route:
    """An address as Starlette takes it."""
    return Route(address.path, address.answer, methods=[address.method])


ADDRESSES: Final = (
    Address("/", photos.listing, Role.VIEWER),
    Address("/photos.csv", photos.as_csv, Role.VIEWER),
    Address("/photos.json", photos.as_json, Role.VIEWER),
    Address("/photo", photo.story, Role.VIEWER),
    Address("/photo/run", photo.run_part, Role.VIEWER),
    Address("/photo/again", photo.again, Role.OPERATOR, "POST"),
    Address("/photo/correct", photo.correct, Role.REVIEWER, "POST"),
    Address("/picture", photo.picture, Role.VIEWER),
    Address("/review", review.desk, Role.REVIEWER),
    Address("/review", review.act, Role.REVIEWER, "POST"),
    Address("/model", model.watch, Role.VIEWER),
    Address("/model/compare", model.compare, Role.VIEWER),
    Address("/model/compare/part", model.compare_part, Role.VIEWER),
    Address("/runbook/{name}", model.runbook, Role.VIEWER),
    *(Address(f"/static/{name}", static(name), Role.ANYBODY) for name in STATIC),
)


def policy(elsewhere: str = "") -> str:
    """Nothing of a page comes from another host, and nothing but our own files runs; photos may be sent `elsewhere`."""
    own = f"'self' {elsewhere}".strip()
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {own}; form-action 'self'; "
        "frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def assemble(site: Site, addresses: Sequence[Address], *, lifespan: Any = None) -> Starlette:
    """The application that answers at these addresses; errors become sentences."""

    async def answer_error(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return refused(request, ConsoleError("There is nothing at this address.", "Begin at the first page."), 404)
        words = error if isinstance(error, Refusal) else site.explain(error)
        if words is None:
            raise error
        return refused(request, words, _status(error))

    application = Starlette(
        routes=[route(address) for address in addresses],
        middleware=[Middleware(SafeHeaders, policy=policy(site.bucket_origin))],
        exception_handlers=dict.fromkeys((Refusal, ClientError, BotoCoreError, HTTPException), answer_error),
        lifespan=lifespan,
    )
    application.state.site = site
    return application


def _status(error: Exception) -> int:
    statuses = {UnknownPageError: 404, WrongQuestionError: 400, UnfinishedError: 502, Refusal: 409}
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), 502)


def address_of(addresses: Sequence[Address], scope: Scope) -> Address | None:
    """The address that a request asks for; None where there is none."""
    return next((each for each in addresses if route(each).matches(scope)[0] is Match.FULL), None)


class SafeHeaders:
    """Puts the headers that keep a page to itself on every answer, but for those that it says itself.

    Nothing is kept by a browser unless the answer says so.
    """

    def __init__(self, application: ASGIApp, policy: str) -> None:
        self._application = application
        self._headers = {"content-security-policy": policy, **HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    said.setdefault(name, value)
            await send(message)

        await self._application(scope, receive, send_safely)
