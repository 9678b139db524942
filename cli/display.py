"""How things look in a terminal: plain words, at most 80 columns where that is ours to decide."""

import json
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, assert_never

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.commands import COMMANDS
from cli.drop import Ended
from cli.errors import SUCCESS
from vehiclevision.record import Outcome, Record
from vehiclevision.refusal import printable as printable  # noqa: PLC0414 - also found here
from vehiclevision.results import ADDRESS

NAME: Final = "vehiclevision"
# One of our commands, as sentences name it.
_COMMAND: Final = re.compile(rf"(?<![\w/.-]){NAME}(?= (?:{'|'.join(COMMANDS)})\b)")
_OUTPUTS: Final = {
    "BucketName": "upload bucket",
    "StateMachineArn": "workflow",
    "ResultsTableName": "results table",
    "EventBusName": "event bus",
}
HEADING: Final = f"{'outcome':<12}  {'what':<24}  {'seconds':>7}  key"


class _Notes(Console):
    """What it prints names our commands as they can be typed here."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(as_typed(each) if isinstance(each, str) else each for each in objects), **options)


def output() -> Console:
    """Results: standard output, as wide as they need to be."""
    return Console(soft_wrap=True, highlight=False, emoji=False, markup=False)


def notes() -> Console:
    """Everything that is no result: standard error."""
    return _Notes(stderr=True, soft_wrap=True, highlight=False, emoji=False, markup=False)


def print_json(fields: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own, readable by the next program at once."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def tell(as_json: bool, facts: Mapping[str, Any], *lines: str | Text) -> int:
    """Say what was done, for the next program or for people; the exit code of a command that did it."""
    if as_json:
        print_json(facts)
    else:
        for line in filter(None, lines):
            output().print(printable(line) if isinstance(line, str) else line)
    return SUCCESS


@contextmanager
def on_interrupt(words: str | Callable[[], str]) -> Iterator[None]:
    """Say this where Ctrl-C ends what is done in here, and end the command."""
    try:
        yield
    except KeyboardInterrupt:
        notes().print(words if isinstance(words, str) else words())
        raise typer.Abort from None


def print_outputs(outputs: Mapping[str, str]) -> None:
    """Where the parts of an application are."""
    for name, words in _OUTPUTS.items():
        if name in outputs:
            output().print(f"  {words:<14} {outputs[name]}")


@contextmanager
def telling(console: Console) -> Iterator[Callable[[str], None]]:
    """A listener that prints each step with the seconds gone by; in a terminal the last one's seconds run on."""
    began = time.monotonic()
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        running = progress.add_task("")

        def tell(step: str) -> None:
            console.print(f"{time.monotonic() - began:5.1f} s  {step}")
            progress.reset(running, description=step)

        yield tell


def typed() -> str:
    """How this program can be typed here: its plain name only where the PATH leads to it."""
    own, on_path = Path(sys.argv[0]), shutil.which(NAME)
    if own.name != NAME or (on_path and Path(on_path).resolve() == own.resolve()):
        return NAME
    return shlex.quote(str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own))


def as_typed(sentence: str) -> str:
    """The sentence, with our commands in it as they can be typed here."""
    return _COMMAND.sub(lambda _: typed(), sentence)


def ended_line(end: Ended) -> Text:
    """One image's end on one line."""
    seconds = "" if end.seconds is None else f"{end.seconds:.1f}"
    line = Text(f"{end.outcome or 'NOT DONE':<12}", _style(end.outcome))
    line.append(f"  {what(end):<24}  {seconds:>7}  {printable(end.key)}", "default")
    if end.detail:
        line.append(f": {printable(end.detail)}", "default")
    return line


def named(bucket: str, key: str, own_bucket: str) -> str:
    """How a photo is named to an application: by its key, or by its whole address where it lies in another bucket."""
    return printable(key if bucket == own_bucket else f"{ADDRESS}{bucket}/{key}")


def record_line(record: Record, own_bucket: str) -> Text:
    """One record on one line, with this machine's time."""
    at = datetime.fromisoformat(record.recorded_at).astimezone() if record.recorded_at else ""
    line = Text(f"{at:%Y-%m-%d %H:%M:%S}  " if at else f"{'':<19}  ", "dim")
    line.append(f"{record.outcome:<12}", _style(record.outcome))
    line.append(f"  {what(record):<24}  {named(record.s3_bucket, record.s3_key, own_bucket)}", "default")
    if record.hint:
        line.append(f": {printable(record.hint)}", "default")
    return line


def what(end: Ended | Record) -> str:
    """What an outcome says: label, confidence and route, or the reason."""
    if isinstance(end, Record) and end.decided_by and end.label:
        return f"{end.label}, a person, {end.route}"
    reason = printable(end.reason or "")
    match end.outcome:
        case Outcome.CLASSIFIED:
            seconded = isinstance(end, Record) and end.seconded_by
            also = f", {printable(seconded)} agrees" if seconded else ""
            return reason if end.confidence is None else f"{end.label} {end.confidence:.2f} {end.route}{also}"
        case Outcome.NEEDS_REVIEW:
            return reason if end.confidence is None else f"only {end.confidence:.2f} sure"
        case Outcome.REJECTED | Outcome.FAILED | None:
            return reason
        case _:
            assert_never(end.outcome)


def _style(outcome: Outcome | None) -> str:
    match outcome:
        case Outcome.CLASSIFIED:
            return "green"
        case Outcome.NEEDS_REVIEW:
            return "yellow"
        case Outcome.REJECTED:
            return "cyan"
        case Outcome.FAILED | None:
            return "bold red"
        case _:
            assert_never(outcome)
