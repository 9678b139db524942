"""Decide what the model could not, and check a sample of what it was sure of.

Without a subcommand it goes through all that waits, one picture after another. Each label is recorded as a person's,
announced as VehicleReviewed, and kept to learn from.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import typer
from rich.text import Text

from cli.display import notes, output, printable
from cli.errors import SUCCESS, USAGE, CommandError
from cli.options import Application, ReviewLimit, SureSample
from cli.reviewing import QUIT, confidences, in_colours, keys, question, reviewer, said, understood
from console.answers import SKIP, UNDO
from console.deployed import desk_of
from monitoring.errors import LabelRefusedError
from monitoring.holding import Desk
from monitoring.review import decide, picture, waiting
from vehiclevision import image_gate
from vehiclevision.errors import InvalidImageError
from vehiclevision.labels import LABELS
from vehiclevision.record import Outcome, Record

COMMANDS: Final = dict.fromkeys(("list", "label"))
# Below the picture there is room for what is said of it and asked. With fewer lines nobody could tell what it shows, so
# that a low terminal scrolls.
LINES_BELOW: Final = 6
LEAST_LINES: Final = 24
LAST: Final = "That was the last one. [u]ndo, or Enter to finish: "
NOTHING_TO_UNDO: Final = (
    "There is nothing to undo. What is announced is overruled with: vehiclevision review label KEY LABEL --again"
)


def command(
    context: typer.Context, application: Application, limit: ReviewLimit = 100, sure: SureSample = True
) -> int | None:
    """Go through what waits, in the terminal."""
    if context.invoked_subcommand is not None:
        return None
    target = application.target()
    if not sys.stdin.isatty():
        raise CommandError(
            "There is nobody to ask: this is no terminal.",
            "For scripts: vehiclevision review list --json, and vehiclevision review label KEY LABEL",
            USAGE,
        )
    records = list(islice(waiting(target.results, sure=sure), limit))
    done = go_through(desk_of(target), records, LABELS)
    notes().print(f"{done} of {len(records)} reviewed." if records else "Nothing waits for a person.")
    return SUCCESS


def go_through(desk: Desk, records: Sequence[Record], labels: Sequence[str], read: Callable[[str], str] = input) -> int:
    """Show one picture after another and ask; how many labels were taken.

    A label is taken when the next picture is answered, or at the end, however that comes: until then it can be undone.
    """
    answers, done, number = keys(labels), 0, 0
    # The picture that was asked about last, and what was said of it, which is not taken yet.
    last: int | None = None
    label: str | None = None
    try:
        with tempfile.TemporaryDirectory(prefix="vehiclevision-review-") as folder:
            while number < len(records) or label is not None:
                if number == len(records):
                    word = _answer(LAST, {"": QUIT, "u": UNDO}, read)
                elif _show(desk, records[number], f"{number + 1} of {len(records)}", labels, Path(folder)):
                    word = _answer(question(answers), answers, read)
                else:
                    number += 1
                    continue
                if word == UNDO:
                    if last is None:
                        notes().print(NOTHING_TO_UNDO)
                    else:
                        number, last, label = last, None, None
                    continue
                if last is not None and label is not None:
                    taken, label = label, None
                    done += _take(desk, records[last], taken)
                if word == QUIT:
                    break
                last, label = number, None if word == SKIP else word
                number += 1
    finally:
        if last is not None and label is not None:
            done += _take(desk, records[last], label)
    return done


def _show(desk: Desk, record: Record, heading: str, labels: Sequence[str], folder: Path) -> bool:
    """Show a picture and what the model said of it; False if it cannot be shown."""
    output().print(Text(f"{heading}  ", "dim").append(printable(record.s3_key), "bold"))
    try:
        decoded = image_gate.decode(picture(desk, record))
    except LabelRefusedError as error:
        notes().print(f"{error.message} It is left out.")
        return False
    except InvalidImageError as error:
        notes().print(f"{error} It is left out.")
        return False
    # The upload's own bytes are hostile until they are decoded: what a viewer gets is a picture made anew.
    shown = folder / f"{heading.replace(' ', '-')}.jpg"
    shown.write_bytes(image_gate.encode(decoded.working))
    console = output()
    console.print(in_colours(decoded.working, console.width - 2, max(LEAST_LINES, console.height - LINES_BELOW)))
    kind = "a sure answer, drawn for a check" if record.outcome is Outcome.CLASSIFIED else "not sure enough"
    kind = f"{record.seconded_by} agrees, drawn for a check" if record.seconded_by else kind
    console.print(f"  {shown}\n  {confidences(labels, record.inferences)}  ({kind})")
    return True


def _answer(asked: str, answers: dict[str, str], read: Callable[[str], str]) -> str:
    while True:
        try:
            word = understood(read(asked), answers)
        except EOFError:
            return QUIT
        if word is not None:
            return word
        notes().print("Type a key in brackets, or a whole word.")


def _take(desk: Desk, record: Record, label: str) -> bool:
    """Take the label; what cannot be taken is said, and the next one comes."""
    try:
        output().print(
            f"{printable(record.s3_key)}: {said(decide(desk, record, label, reviewer=reviewer()))}", style="green"
        )
    except LabelRefusedError as error:
        notes().print(f"{printable(record.s3_key)}: {error}")
        return False
    return True
