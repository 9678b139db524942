"""The door of every server here: it lets in who signed with the state folder's key, and no web page.

A browser lets any page that is open in it send requests to 127.0.0.1, and names itself while it does: by `Origin`, by
`Sec-Fetch-Site`, and, when a page's own name was pointed at 127.0.0.1, by `Host`. What is not refused for one of these
must still carry a signature, which no page can make. No answer lets a page read it.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from local import signature
from local.credentials import Credentials
from local.errors import LocalAwsError
from local.processes import HOST
from local.signature import SignatureError

# A signed body is read before the server sees it; the largest that AWS takes is a function's 50 MB, in base64.
MAX_SIGNED_BYTES = 128 * 1024 * 1024
# What a browser says of an address that a person typed.
TYPED = b"none"
# What it says of a page that asks its own server.
SAME_ORIGIN = b"same-origin"
HINT = "Sign with the key of this local AWS: `vehiclevision env` prints it."
FORBIDDEN = 403

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Paths:
    """What of a server needs no signature, as (method, path), and which folders of it are closed to everybody."""

    unsigned: frozenset[tuple[str, str]] = frozenset()
    # What follows in these is a secret by itself.
    unsigned_below: tuple[tuple[str, str], ...] = ()
    closed: tuple[str, ...] = ()

    def needs_signature(self, method: str, path: str) -> bool:
        """Whether a request must be signed; LocalAwsError where nobody may go."""
        if (method, path) in self.unsigned or any(
            method == each and path.startswith(folder) for each, folder in self.unsigned_below
        ):
            return False
        if path.startswith(self.closed):
            raise LocalAwsError(f"{path[:200]} is closed.", "Nothing of VehicleVision needs it.")
        return True


class Door:
    """An ASGI application that hands on to another what may come in."""

    def __init__(
        self,
        application: Application,
        credentials: Credentials,
        port: int,
        paths: Paths,
        secret_of: Callable[[str], str | None] | None = None,
    ) -> None:
        self._application = application
        self._bearer = f"Bearer {credentials.secret_access_key}".encode()
        self._hosts = {f"{name}:{port}".encode() for name in (HOST, "localhost")}
        self._paths = paths
        self._secret_of = secret_of or credentials.secret_of

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Hand one request on, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._application(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            refuse_pages(scope["headers"], self._hosts)
            if self._paths.needs_signature(scope["method"], scope["path"]) and not self._is_ours(scope["headers"]):
                receive = await self._signed(scope, receive)
        except LocalAwsError as error:
            return await refuse(scope, send, "AccessDenied", f"{error.message} {error.hint}")
        except SignatureError as error:
            return await refuse(scope, send, error.code, f"{error.message} {HINT}")
        return await self._application(scope, receive, closing_to_pages(send))

    def _is_ours(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a server of the same state folder asks, which says the secret itself."""
        return any(name == b"authorization" and hmac.compare_digest(value, self._bearer) for name, value in headers)

    async def _signed(self, scope: Scope, receive: Receive) -> Receive:
        """What receives the request's body; SignatureError unless it is well signed."""
        made = signature.parsed(scope)
        if not made.needs_body:
            signature.check(scope, made, b"", self._secret_of)
            return receive
        body = await read(receive, MAX_SIGNED_BYTES)
        if body is None:
            raise SignatureError("RequestEntityTooLarge", f"A signed body has at most {MAX_SIGNED_BYTES} bytes.")
        signature.check(scope, made, body, self._secret_of)
        return replay(body, receive)


def refuse_pages(
    headers: Iterable[tuple[bytes, bytes]], hosts: set[bytes], own_origins: Collection[bytes] = ()
) -> None:
    """LocalAwsError for what a web page sent, or what was sent under a name that is not this machine's.

    The pages of `own_origins` may send what they like.
    """
    asked = [value for name, value in headers if name == b"host"]
    if len(asked) != 1 or asked[0].lower() not in hosts:
        raise LocalAwsError("This server answers under 127.0.0.1 and localhost only.", "Ask it there.")
    sites = (TYPED, SAME_ORIGIN) if own_origins else (TYPED,)
    for name, value in headers:
        if (name == b"origin" and value not in own_origins) or (name == b"sec-fetch-site" and value not in sites):
            raise LocalAwsError("Web pages may not use the local AWS.", "Use a program, with `vehiclevision env`.")


async def read(receive: Receive, most: int) -> bytes | None:
    """A request's whole body; None as soon as it is longer than it may be."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(body) if len(body) <= most else None


def replay(body: bytes, receive: Receive) -> Receive:
    """Receives a body that was read already, then whatever comes."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return messages.pop() if messages else await receive()

    return again


def closing_to_pages(send: Send) -> Send:
    """Sends an answer without the headers that would let a page read it."""

    async def send_closed(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [each for each in message["headers"] if not each[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": headers}
        await send(message)

    return send_closed


async def refuse(scope: Scope, send: Send, code: str, message: str) -> None:
    """Answer 403, in the form in which the SDKs read an error of the service that was asked."""
    headers = dict(scope["headers"])
    credential = headers.get(b"authorization", b"") + scope["query_string"]
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if b"/s3/aws4_request" in credential or b"%2Fs3%2Faws4_request" in credential:
        kind, body = b"application/xml", error
    elif headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        kind, body = b"text/xml", f"<ErrorResponse>{error}</ErrorResponse>"
    else:
        kind, body = b"application/json", json.dumps({"__type": code, "message": message})
    await answer(send, FORBIDDEN, body, [(b"content-type", kind), (b"x-amzn-errortype", code.encode())])


async def answer(send: Send, status: int, text: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Send a whole answer."""
    body = text.encode()
    sent = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
