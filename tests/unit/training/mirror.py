"""A web server on this machine that gives a file as well, or as badly, as the test says."""

import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Request", bytes], None]


class Request(BaseHTTPRequestHandler):
    """One request, and the means to answer it."""

    protocol_version = "HTTP/1.1"
    mirror: "Mirror"

    def do_GET(self) -> None:
        self.mirror.requests.append(dict(self.headers))
        self.close_connection = True
        self.mirror.answer(self, self.mirror.content)

    def start(self, status: int, **headers: Any) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        # Else a client may ask again on a connection that is about to close.
        self.send_header("Connection", "close")
        self.end_headers()

    def give(self, content: bytes, status: int = 200, **headers: Any) -> None:
        self.start(status, Content_Length=len(content), **headers)
        self.mirror.sent += len(content)
        self.wfile.write(content)

    def wanted_from(self) -> int:
        """Where the client wants to go on."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0

    def log_message(self, *arguments: Any) -> None:
        """Say nothing on the test's screen."""


@dataclass
class Mirror:
    """The server's address, what it has been asked, and how much it has given."""

    content: bytes
    answer: Answer
    address: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


@contextmanager
def serving(content: bytes, answer: Answer, certificate: ssl.SSLContext | None = None) -> Iterator[Mirror]:
    """A server for as long as the block lasts."""
    mirror = Mirror(content, answer)
    handler = type("Handler", (Request,), {"mirror": mirror})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        mirror.address = f"{scheme}://127.0.0.1:{server.server_address[1]}/archive.tar.gz"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()


def well(request: Request, content: bytes) -> None:
    """As a good server does, which gives ranges."""
    start = request.wanted_from()
    if not start:
        request.give(content)
    elif start >= len(content):
        request.give(b"", 416, Content_Range=f"bytes */{len(content)}")
    else:
        piece = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.give(content[start:], 206, Content_Range=piece)


def cut_off(at: int) -> Answer:
    """A good server whose connection breaks after so many bytes of each answer."""

    def answer(request: Request, content: bytes) -> None:
        start = request.wanted_from()
        status, piece = (206, f"bytes {start}-{len(content) - 1}/{len(content)}") if start else (200, "")
        headers = {"Content_Range": piece} if piece else {}
        request.start(status, Content_Length=len(content) - start, **headers)
        given = content[start : start + at]
        request.mirror.sent += len(given)
        request.wfile.write(given)

    return answer


def without_ranges(request: Request, content: bytes) -> None:
    """All of it, whatever was asked for."""
    request.give(content)


def another_piece(request: Request, content: bytes) -> None:
    """The beginning, whichever piece was asked for."""
    request.give(content, 206, Content_Range=f"bytes 0-{len(content) - 1}/{len(content)}")


def endless(request: Request, content: bytes) -> None:
    """More than was asked for, without saying how much."""
    request.start(200)
    try:
        while True:
            request.wfile.write(content)
            request.mirror.sent += len(content)
    except OSError:
        return


def with_status(status: int) -> Answer:
    """An error."""

    def answer(request: Request, content: bytes) -> None:
        request.give(b"no", status)

    return answer


def sign_in_page(request: Request, content: bytes) -> None:
    """What a hotel's network answers for every address."""
    request.give(b"<html>Please sign in</html>", Content_Type="text/html; charset=utf-8")


def redirecting(target: str) -> Answer:
    """Somewhere else."""

    def answer(request: Request, content: bytes) -> None:
        request.give(b"", 302, Location=target)

    return answer


def encoded(request: Request, content: bytes) -> None:
    """As servers do that take the archive's own gzip for an encoding of the transfer."""
    request.give(content, Content_Encoding="x-gzip", Content_Type="application/x-tar")
