"""Requests as API Gateway hands them to a function: an HTTP API's events, format 2.0."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

HOST = "abcdefgh12.execute-api.us-east-1.amazonaws.com"
PAGE = f"https://{HOST}"


def event(
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    claims: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One request; `claims` are those of a token that a JWT authorizer has checked."""
    context: dict[str, Any] = {
        "accountId": "111122223333",
        "apiId": "abcdefgh12",
        "domainName": HOST,
        "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
        "requestId": "a-request",
        "routeKey": "$default",
        "stage": "$default",
        "timeEpoch": 1_795_000_000_000,
    }
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(claims), "scopes": None}}
    made = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": HOST, "x-forwarded-proto": "https", "x-forwarded-port": "443", **(headers or {})},
        "requestContext": context,
        "isBase64Encoded": body is not None,
    }
    if cookies:
        made["cookies"] = [f"{name}={value}" for name, value in cookies.items()]
    if body is not None:
        made["body"] = base64.b64encode(body).decode()
    return made


@dataclass(frozen=True)
class Answer:
    """What the function gave back."""

    status: int
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def answer(given: Mapping[str, Any]) -> Answer:
    """The function's answer as a client gets it."""
    cookies: dict[str, str] = {}
    for line in given.get("cookies", ()):
        cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
    body = given.get("body", "")
    raw = base64.b64decode(body) if given.get("isBase64Encoded") else body.encode()
    return Answer(int(given["statusCode"]), given.get("headers", {}), cookies, raw)
