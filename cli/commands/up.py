"""Start the local AWS with the application in it.

It takes no account and no Docker. Without --detach it runs until Ctrl-C. What it holds is kept for the next start.
"""

import time
from pathlib import Path
from typing import Annotated, Final

from cli.display import notes, output, telling, typed
from cli.errors import INTERRUPTED, SUCCESS, CommandError
from cli.options import flag
from cli.target import state_directory
from local import stack

LOOK_EVERY_SECONDS: Final = 1.0


def command(
    detach: Annotated[bool, flag("--detach", "Return when it is up; `vehiclevision down` stops it.")] = False,
) -> int:
    """Start the local AWS; without `detach` keep it up until Ctrl-C, then stop it."""
    directory, console = state_directory(), notes()
    was_up = stack.status(directory).up
    try:
        with telling(console) as tell:
            running = stack.start(directory, tell, detach=detach)
        bucket = running.outputs().get("BucketName", "?")
        output().print(f"The local AWS is up: {running.engine_url}, bucket {bucket}")
        output().print(f"Classify images with: {typed()} drop PATH...")
        output().print(f"Open the page with: {typed()} console")
        if was_up and not detach:
            output().print(f"It was up before and stays up. Stop it with: {typed()} down")
        elif detach:
            output().print(f"Stop it with: {typed()} down")
        else:
            output().print("Ctrl-C stops it.")
            _stay(directory)
    except KeyboardInterrupt:
        if not was_up:
            console.print("\nStopping the local AWS")
            stack.stop(directory)
            console.print("Stopped. What it holds is kept for the next start.")
        return INTERRUPTED
    return SUCCESS


def _stay(directory: Path) -> None:
    """Wait for Ctrl-C, or for the servers' end."""
    while stack.running(directory) is not None:
        time.sleep(LOOK_EVERY_SECONDS)
    raise CommandError(
        "The local AWS has ended.", f"If nobody ran `vehiclevision down`, look into {directory / 'engine' / 'log'}"
    )
