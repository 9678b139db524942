"""Check now, up to this minute, and say what changed.

It does all that a scheduled check does. The exit code is 0 if the check was made, whatever it found.
"""

from typing import Annotated

import typer

from cli import monitoring
from cli.options import Application, AsJson


def command(
    application: Application,
    hours: Annotated[
        int | None, typer.Option("--hours", metavar="N", min=1, max=744, help="Look back so far; else as deployed.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check now."""
    return monitoring.check(application.target(), hours, as_json=as_json)
