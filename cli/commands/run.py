"""Start and stop the local AWS from the command line."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.display import command, notes, output
from cli.errors import INTERRUPTED, CommandError
from cli.target import state_directory
from local import stack
from local.stack import LocalAws

LOOK_EVERY_SECONDS: Final = 1.0


def up(*, detach: bool) -> int:
    """Start it; without `detach` stay until Ctrl-C, then stop it."""
    directory, console = state_directory(), notes()
    was_up = stack.status(directory).up
    try:
        found = stack.start(directory, teller(console), detach=detach)
        _what_next(found, output())
        if was_up and not detach:
            output().print(f"It was up before and stays up. Stop it with: {command()} down")
        elif detach:
            output().print(f"Stop it with: {command()} down")
        else:
            output().print("Ctrl-C stops it.")
            _stay(directory)
    except KeyboardInterrupt:
        if not was_up:
            console.print("\nStopping the local AWS")
            stack.stop(directory)
            console.print("Stopped. What it holds is kept for the next start.")
        return INTERRUPTED
    return 0


def down() -> int:
    """Stop it if it runs."""
    directory = state_directory()
    found = stack.status(directory)
    if found.engine_pid is None and found.sagemaker_pid is None and found.control_pid is None:
        output().print("The local AWS is not running.")
        return 0
    stack.stop(directory)
    output().print("The local AWS is stopped. What it holds is kept for the next start.")
    return 0


def teller(console: Console) -> Callable[[str], None]:
    """A listener that prints each step with the seconds gone by."""
    began = time.monotonic()

    def tell(step: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {step}")

    return tell


def _what_next(found: LocalAws, console: Console) -> None:
    outputs = found.outputs()
    console.print(f"The local AWS is up: {found.engine_url}, bucket {outputs.get('BucketName', '?')}")
    console.print(f"Classify images with: {command()} drop PATH...")


def _stay(directory: Path) -> None:
    """Wait for Ctrl-C, or for the servers' end."""
    while stack.running(directory) is not None:
        time.sleep(LOOK_EVERY_SECONDS)
    raise CommandError(
        "The local AWS has ended.", f"If nobody ran `vehiclevision down`, look into {directory / 'engine' / 'log'}"
    )
