"""The door of a page that a person opens in a browser on this machine: who knows the token comes in, and no other page.

The token stands in the first address only, and is kept by the browser in a cookie that no other site's page can send.
What comes under another name than this machine's, or from another page, is refused before anything is looked at.
"""

import hmac
import secrets
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.responses import HTMLResponse, RedirectResponse, Response

from local.door import FORBIDDEN, Application, Receive, Scope, Send, refuse_pages
from local.errors import LocalAwsError
from local.processes import HOST, private_folder, write_atomically

TOKEN_PARAMETER = "token"  # noqa: S105 - its name
COOKIE_SECONDS = 30 * 24 * 3600
SEE_OTHER = 303
FILE = "console-token"
REFUSED_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class PageDoor:
    """An ASGI application that hands on to another what may come in."""

    def __init__(self, application: Application, token: str, port: int) -> None:
        self._application = application
        self._token = token
        self._hosts = {f"{name}:{port}".encode() for name in (HOST, "localhost")}
        self._origins = {b"http://" + host for host in self._hosts}
        # Cookies do not tell ports apart.
        self._cookie = f"vehiclevision-{port}"

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Hand one request on, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._application(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        try:
            refuse_pages(scope["headers"], self._hosts, self._origins)
        except LocalAwsError as error:
            return await _refusal(error)(scope, receive, send)
        given = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN_PARAMETER, [""])[0]
        if scope["method"] == "GET" and _is_same(given, self._token):
            return await self._welcome(scope["path"])(scope, receive, send)
        if not any(_is_same(value, self._token) for value in _cookies(scope, self._cookie)):
            stranger = LocalAwsError("This page is not for everybody.", "Open it with: vehiclevision console")
            return await _refusal(stranger)(scope, receive, send)
        return await self._application(scope, receive, send)

    def _welcome(self, path: str) -> Response:
        """Keep the token in the browser, and lead on to the same address without it."""
        # Two slashes would lead to another machine.
        address = quote("/" + path.lstrip("/\\"))
        response = RedirectResponse(address, SEE_OTHER, {"referrer-policy": "no-referrer", "cache-control": "no-store"})
        response.set_cookie(self._cookie, self._token, COOKIE_SECONDS, httponly=True, samesite="strict")
        return response


def token_of(directory: Path) -> str:
    """The token of a state folder, made if there is none yet: so that an address that somebody kept works tomorrow."""
    path = directory / FILE
    if not path.exists():
        private_folder(directory)
        write_atomically(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def _cookies(scope: Scope, name: str) -> list[str]:
    headers = [value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie"]
    pairs = (pair.strip().partition("=") for header in headers for pair in header.split(";"))
    return [value for key, _, value in pairs if key == name]


def _is_same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _refusal(error: LocalAwsError) -> Response:
    page = f"<!doctype html><title>Refused</title><p>{escape(error.message)} {escape(error.hint)}</p>"
    return HTMLResponse(page, FORBIDDEN, REFUSED_HEADERS)
