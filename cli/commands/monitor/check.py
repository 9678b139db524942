"""Check now, up to this minute, and say what changed.

It does all that a scheduled check does. The exit code is 0 if the check was made, whatever it found.
"""

from typing import Annotated

from cli.checks import ask, function_of, told
from cli.display import tell
from cli.options import Application, AsJson, option


def command(
    application: Application,
    hours: Annotated[int | None, option("--hours", "N", "Look back so far; else as deployed.", min=1, max=744)] = None,
    as_json: AsJson = False,
) -> int:
    """Ask the function for a check up to now."""
    target = application.target()
    check = ask(target, function_of(target), hours)
    return tell(as_json, check, *told(check))
