"""Where the page is served."""

import socket

from cli.page import listening


def test_whoever_has_the_address_may_come_at_once() -> None:
    """It is printed, and a browser opened, before the page is there: they wait, and are not refused."""
    with listening(None) as listener:
        socket.create_connection(listener.getsockname(), timeout=5).close()
