"""Who sits at this page: a name that its owner gives, and a seat for each browser."""

import re
import secrets
from typing import Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from console.pages.rendering import site_of
from console.roles import PERSON
from monitoring.holding import Reviewer

NAME_COOKIE: Final = "vehiclevision-reviewer"
SEAT_COOKIE: Final = "vehiclevision-seat"
MOST_CHARACTERS: Final = 60
YEAR_SECONDS: Final = 365 * 24 * 3600
_SEAT: Final = re.compile(r"[A-Za-z0-9_-]{8,32}")


def reviewer_of(request: Request) -> Reviewer:
    """The person who asks: by the name that they signed in with, else by the one that their browser keeps."""
    person = request.scope.get(PERSON)
    kept = cleaned(unquote(request.cookies.get(NAME_COOKIE, ""))) or site_of(request).user
    name = cleaned(person.name) if person else kept
    seat = request.cookies.get(SEAT_COOKIE, "")
    return Reviewer(name, seat if _SEAT.fullmatch(seat) else "first-seat")


def has_seat(request: Request) -> bool:
    """Whether the browser was here before."""
    return bool(_SEAT.fullmatch(request.cookies.get(SEAT_COOKIE, "")))


def cleaned(name: str) -> str:
    """A name without anything that is no letter on a line."""
    return " ".join("".join(char for char in name if char.isprintable()).split())[:MOST_CHARACTERS]


def remember(request: Request, response: Response, name: str = "") -> None:
    """Keep the seat, and the name if one is given, in the browser."""
    if not has_seat(request):
        _set(request, response, SEAT_COOKIE, secrets.token_urlsafe(9))
    if name:
        _set(request, response, NAME_COOKIE, quote(name))


def _set(request: Request, response: Response, cookie: str, value: str) -> None:
    is_secure = request.url.scheme == "https"
    response.set_cookie(cookie, value, max_age=YEAR_SECONDS, httponly=True, samesite="strict", secure=is_secure)
