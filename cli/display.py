"""How things look in a terminal: plain words, at most 80 columns where that is ours to decide."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from cli.drop import Ended
from vehiclevision.record import Outcome, Record

NAME: Final = "vehiclevision"
_STYLES: Final[Mapping[Outcome | None, str]] = {
    Outcome.CLASSIFIED: "green",
    Outcome.NEEDS_REVIEW: "yellow",
    Outcome.REJECTED: "cyan",
    Outcome.FAILED: "bold red",
    None: "bold red",
}
HEADING: Final = f"{'outcome':<12}  {'what':<24}  {'seconds':>7}  key"


def output() -> Console:
    """Results: standard output, as wide as they need to be."""
    return Console(soft_wrap=True, highlight=False, emoji=False, markup=False)


def notes() -> Console:
    """Everything that is no result: standard error."""
    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False, markup=False)


def print_json(fields: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own, readable by the next program at once."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def printable(text: str) -> str:
    """The text without anything that would move a terminal's cursor or end its line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def command() -> str:
    """How this command can be typed here: its plain name only where the PATH leads to it."""
    own, found = Path(sys.argv[0]), shutil.which(NAME)
    if own.name != NAME or (found and Path(found).resolve() == own.resolve()):
        return NAME
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)


def ended_line(end: Ended) -> Text:
    """One image's end on one line."""
    seconds = "" if end.seconds is None else f"{end.seconds:.1f}"
    line = Text(f"{end.outcome or 'NOT DONE':<12}", _STYLES[end.outcome])
    line.append(f"  {what(end):<24}  {seconds:>7}  {printable(end.key)}", "default")
    if end.detail:
        line.append(f": {printable(end.detail)}", "default")
    return line


def record_line(record: Record) -> Text:
    """One record on one line."""
    line = Text(f"{(record.recorded_at or '')[:19].replace('T', ' '):<19}  ", "dim")
    line.append(f"{record.outcome:<12}", _STYLES[record.outcome])
    line.append(f"  {what(record):<24}  {printable(record.s3_key)}", "default")
    return line


def what(found: Ended | Record) -> str:
    """What an outcome says: label, confidence and route, or the reason."""
    if isinstance(found, Record) and found.decided_by and found.label:
        return f"{found.label}, a person, {found.route}"
    if found.outcome is Outcome.CLASSIFIED and found.confidence is not None:
        return f"{found.label} {found.confidence:.2f} {found.route}"
    if found.outcome is Outcome.NEEDS_REVIEW and found.confidence is not None:
        return f"only {found.confidence:.2f} sure"
    return printable(found.reason or "")
