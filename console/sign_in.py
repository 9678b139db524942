"""The door of a page that people reach through the Internet: they sign in with Cognito, and systems come with a token.

A person is led to Cognito's sign-in pages and comes back with a code, which only this browser can have exchanged for a
token. The token stays in a cookie that no script and no other site reads; its signature is checked at every request. A
system's token was checked by API Gateway before the request came here, which says so where no client can write.
"""

import hashlib
import hmac
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

import jwt
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.errors import ConsoleError
from console.roles import PERSON, SYSTEM, Person, Role, role_in
from console.web import Address, address_of
from vehiclevision.refusal import Refusal

SIGN_IN: Final = "/sign-in"
SIGNED_IN: Final = "/signed-in"
SIGN_OUT: Final = "/sign-out"
# A browser takes a cookie of that name from this very host only, and sends it to no other.
SESSION: Final = "__Host-vehiclevision"
GOING: Final = "__Host-vehiclevision-going"
GOING_SECONDS: Final = 600
SEE_OTHER: Final = 303
# Keys change rarely; a token that names one that nobody knows makes us look again, but only so often.
LOOK_AGAIN_SECONDS: Final = 60.0
CLAIMS: Final = ["exp", "iat", "iss", "aud", "token_use", "cognito:username"]

# Asks a server in JSON: the address, and the fields of a form where there are any.
Ask = Callable[[str, Mapping[str, str] | None], Any]


@dataclass(frozen=True)
class Pool:
    """Where people sign in, and how their tokens are told from others."""

    client_id: str
    issuer: str
    keys_address: str
    # Where Cognito's sign-in pages are, and where this page is.
    domain: str
    address: str


class NobodyError(ConsoleError):
    """Nobody signed in."""


@dataclass
class Tokens:
    """What a pool's tokens say, once their signature is checked."""

    pool: Pool
    ask: Ask
    clock: Callable[[], float] = time.monotonic
    _keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    _looked_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a person's token; NobodyError for one that is not of this pool or page, or is too old."""
        try:
            key = self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self.pool.client_id,
                issuer=self.pool.issuer,
                options={"require": CLAIMS},
            )
        except jwt.PyJWTError as error:
            raise NobodyError("You are not signed in, or were so too long ago.", "Sign in again.") from error
        if claims["token_use"] != "id":  # noqa: S105 - a kind of token
            raise NobodyError("That is no token of a person.", "Sign in again.")
        return claims

    def _key(self, name: str) -> jwt.PyJWK:
        with self._lock:
            is_due = self._looked_at is None or self.clock() - self._looked_at > LOOK_AGAIN_SECONDS
            if name not in self._keys and is_due:
                self._looked_at = self.clock()
                read = jwt.PyJWKSet.from_dict(self.ask(self.pool.keys_address, None))
                self._keys = {str(each.key_id): each for each in read.keys}
            if name not in self._keys:
                raise jwt.InvalidKeyError("no key of that name")
            return self._keys[name]


class SignIn:
    """An ASGI application that hands on to another what may come in, with who it is in the scope."""

    def __init__(self, application: ASGIApp, addresses: Sequence[Address], tokens: Tokens) -> None:
        self._application = application
        self._addresses = addresses
        self._tokens = tokens
        self._pool = tokens.pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on, or answer it."""
        request = Request(scope, receive)
        address = address_of(self._addresses, scope)
        try:
            if address is not None and address.scope:
                scope[SYSTEM] = _system(scope, address.scope)
                answer = None
            else:
                answer = await self._of_people(request, address)
        except NobodyError as error:
            is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
            leads = is_page and not (address and address.scope) and request.url.path != SIGNED_IN
            answer = self._to_sign_in(_path_of(request)) if leads else _refused(error, 401)
        except ConsoleError as error:
            answer = _refused(error, 403)
        await (answer or self._application)(scope, receive, send)

    async def _of_people(self, request: Request, address: Address | None) -> Response | None:
        """What is answered to a person here; None where the request is handed on."""
        if request.method not in ("GET", "HEAD") and request.headers.get("origin") != self._pool.address:
            raise ConsoleError("That came from another page.", f"Open {self._pool.address} and do it there.")
        match request.method, request.url.path:
            case "GET", str(path) if path == SIGN_IN:
                return self._to_sign_in("/")
            case "GET", str(path) if path == SIGNED_IN:
                return await self._come_back(request)
            case "POST", str(path) if path == SIGN_OUT:
                return self._leave()
        if address is not None and address.role is Role.ANYBODY:
            return None
        claims = await to_thread.run_sync(self._tokens.claims, request.cookies.get(SESSION, ""))
        name = str(claims.get("email") or claims["cognito:username"])
        person = Person(name, role_in(claims.get("cognito:groups")))
        needed = address.role if address else Role.VIEWER
        if person.role < needed:
            raise ConsoleError(f"That takes the group {needed.group}.", "Ask whoever runs this application to add you.")
        request.scope[PERSON] = person
        return None

    def _to_sign_in(self, path: str) -> Response:
        """Lead to Cognito's pages; only the browser that was led there can use what it comes back with."""
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._pool.client_id,
            "redirect_uri": self._pool.address + SIGNED_IN,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        response = RedirectResponse(f"{self._pool.domain}/oauth2/authorize?{urlencode(asked)}", SEE_OTHER)
        _keep(response, GOING, ".".join((state, verifier, nonce, quote(path, safe=""))), GOING_SECONDS)
        return response

    async def _come_back(self, request: Request) -> Response:
        """Exchange the code for a token, if it is this browser that was led away."""
        state, verifier, nonce, path = (*request.cookies.get(GOING, "").split(".", 3), "", "", "", "")[:4]
        given, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        if not state or not hmac.compare_digest(given.encode(), state.encode()) or not code:
            raise NobodyError("Signing in was not finished.", "Begin again.")
        answer = await to_thread.run_sync(
            self._tokens.ask,
            f"{self._pool.domain}/oauth2/token",
            {
                "grant_type": "authorization_code",
                "client_id": self._pool.client_id,
                "redirect_uri": self._pool.address + SIGNED_IN,
                "code": code,
                "code_verifier": verifier,
            },
        )
        token = str(answer.get("id_token", "")) if isinstance(answer, dict) else ""
        claims = await to_thread.run_sync(self._tokens.claims, token)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise NobodyError("That token was made for somebody else's sign-in.", "Begin again.")
        # Two slashes would lead to another host.
        response = RedirectResponse("/" + unquote(path).lstrip("/\\"), SEE_OTHER)
        _keep(response, SESSION, token, int(claims["exp"] - time.time()))
        _keep(response, GOING, "", 0)
        return response

    def _leave(self) -> Response:
        left = {"client_id": self._pool.client_id, "logout_uri": self._pool.address + SIGN_IN}
        everywhere = f"{self._pool.domain}/logout?{urlencode(left)}"
        response = _page(
            "You are signed out here.",
            f'<p><a href="{escape(everywhere)}">Sign out of the sign-in page too</a>, '
            f'or <a href="{SIGN_IN}">sign in again</a>.</p>',
            200,
        )
        _keep(response, SESSION, "", 0)
        return response


def _system(scope: Scope, needed: str) -> str:
    """The client that API Gateway let in with a token; NobodyError where none did, ConsoleError without the scope."""
    claims: Any = scope.get("aws.event")
    for name in ("requestContext", "authorizer", "jwt", "claims"):
        claims = claims.get(name) if isinstance(claims, dict) else None
    if not isinstance(claims, dict) or not isinstance(claims.get("client_id"), str):
        raise NobodyError("No token of a system came with that.", "Send it as: Authorization: Bearer TOKEN")
    if needed not in str(claims.get("scope", "")).split():
        raise ConsoleError(f"That takes the scope {needed}.", "Ask whoever runs this application for it.")
    return str(claims["client_id"])


def _path_of(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _keep(response: Response, cookie: str, value: str, seconds: int) -> None:
    """A cookie that comes back by a link from elsewhere too, or nobody would stay signed in."""
    response.set_cookie(cookie, value, max_age=seconds, secure=True, httponly=True, samesite="lax")


def _refused(error: Refusal, status: int) -> Response:
    return _page(error.message, f'<p>{escape(error.hint)}</p><p><a href="{SIGN_IN}">Sign in</a></p>', status)


def _page(title: str, content: str, status: int) -> Response:
    head = f'<!doctype html><html lang="en"><title>{escape(title)}</title>'
    return HTMLResponse(f"{head}<h1>{escape(title)}</h1>{content}", status)
