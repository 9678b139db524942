"""Asks the application of a container, without a socket."""

import asyncio
from collections.abc import Mapping
from typing import Any

from serving.server import Answer, Server

PNG = {"content-type": "image/png"}


def ask(
    server: Server,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] = PNG,
    *,
    client: tuple[str, int] | None = None,
) -> Answer:
    """The answer to one request, from a caller at this address."""
    sent: list[dict[str, Any]] = []
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": client}
    asyncio.run(server(scope, receive, send))
    received = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], sent[1]["body"], received)
