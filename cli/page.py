"""The page, served on this machine to whoever has its address."""

import contextlib
import socket
import webbrowser
from typing import Final

import uvicorn

from cli.display import notes
from cli.errors import USAGE, CommandError
from cli.explanations import explain
from cli.reviewing import reviewer
from cli.target import Target, state_directory
from console.app import make_app
from local.page_door import TOKEN_PARAMETER, PageDoor, token_of
from local.processes import HOST

PORT: Final = 8724
# Streams to open pages never end by themselves.
GRACE_SECONDS: Final = 2
MOST_CONNECTIONS: Final = 200


def serve(target: Target, listener: socket.socket, *, browser: bool) -> None:
    """Serve the page of an application on a socket until Ctrl-C, and say where it is."""
    port, token = listener.getsockname()[1], token_of(state_directory())
    address = f"http://{HOST}:{port}/?{TOKEN_PARAMETER}={token}"
    served = PageDoor(make_app(target, reviewer().name, explain), token, port)
    server = uvicorn.Server(
        uvicorn.Config(
            served,
            lifespan="on",
            # Streams to open pages are cut off when it ends, which it would call an error.
            log_level="critical",
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    if browser:
        notes().print(f"The page is at {address}")
        notes().print("Ctrl-C ends it.")
        webbrowser.open(address)
    else:
        print(address, flush=True)
    # It ends its work at Ctrl-C, and then passes it on.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def listening(port: int | None) -> socket.socket:
    """A socket on this machine only: on the port that was asked for, else on the usual one, else on any.

    Whoever has its address may come at once, and waits until the page is there.
    """
    for number in (port,) if port else (PORT, 0):
        with contextlib.suppress(OSError):
            return socket.create_server((HOST, number))
    raise CommandError(f"Port {port} is taken.", "Name another with --port, or leave it out.", USAGE)
