"""Open the page that people use: drop photos, watch them come through, review, and see how the model is doing.

It runs on this machine until Ctrl-C, for whoever has its address. With --stack it shows an application in AWS, with
your own credentials.
"""

from typing import Annotated

from cli.errors import INTERRUPTED
from cli.options import Application, flag, option
from cli.page import PORT, listening, serve


def command(
    application: Application,
    browser: Annotated[
        bool, flag("--browser/--no-browser", "Open it, or print its address alone on standard output.")
    ] = True,
    port: Annotated[
        int | None, option("--port", "N", f"Use this port; else {PORT}, or any that is free.", min=1, max=65535)
    ] = None,
) -> int:
    """Serve the page until Ctrl-C."""
    target = application.target()
    with listening(port) as listener:
        serve(target, listener, browser=browser)
    return INTERRUPTED
