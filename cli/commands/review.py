"""The `review` command: what waits for a person, and what the person says."""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final

from PIL import Image
from rich.style import Style
from rich.text import Text

from cli.display import notes, output, print_json, printable, record_line
from cli.errors import USAGE, CommandError
from cli.target import Target
from monitoring.errors import LabelRefusedError
from monitoring.review import Desk, Reviewed, decide, drawn, picture, waits
from vehiclevision import image_gate
from vehiclevision.errors import InvalidImageError
from vehiclevision.labels import MODEL_INPUT_SIDE
from vehiclevision.record import Outcome, Record
from vehiclevision.results import ResultsTable

SUCCESS: Final = 0
LABELS: Final = {"b": "bicycle", "m": "motorcycle", "n": "neither"}
SKIP, QUIT = "s", "q"
# Below the picture there is room for what is said of it and asked. With fewer lines nobody could tell what it shows, so
# that a low terminal scrolls; more columns than the model's input has show nothing more.
LINES_BELOW: Final = 6
LEAST_LINES: Final = 24
MAX_COLUMNS: Final = MODEL_INPUT_SIDE
QUESTION: Final = "[b]icycle  [m]otorcycle  [n]either  [s]kip  [q]uit: "


def list_waiting(target: Target, limit: int, *, sure: bool, as_json: bool) -> int:
    """Print what waits, a line an image."""
    found = list(islice(waiting(target.results, sure=sure), limit))
    for record in found:
        if as_json:
            print_json(record.to_json())
        else:
            output().print(record_line(record))
    if not found and not as_json:
        notes().print("Nothing waits for a person.")
    return SUCCESS


def label_one(target: Target, key: str, label: str, *, again: bool, as_json: bool) -> int:
    """Take a person's label for one image."""
    records = target.results.search(target.output("BucketName"), key, list(Outcome), 1)
    if not records:
        raise CommandError(f"Nothing is recorded of {printable(key)}.", "List what is: vehiclevision results")
    found = decide(desk_of(target), records[0], label, again=again)
    if as_json:
        print_json({**records[0].to_json(), "reviewed": asdict(found)})
    else:
        output().print(f"{printable(records[0].s3_key)}: {said(found)}")
    return SUCCESS


def go_through(target: Target, limit: int, *, sure: bool) -> int:
    """Show one picture after another and ask; what was answered stays answered, whenever it ends."""
    if not sys.stdin.isatty():
        raise CommandError(
            "There is nobody to ask: this is no terminal.",
            "For scripts: vehiclevision review list --json, and vehiclevision review label KEY LABEL",
            USAGE,
        )
    desk, done = desk_of(target), 0
    records = list(islice(waiting(target.results, sure=sure), limit))
    with tempfile.TemporaryDirectory(prefix="vehiclevision-review-") as folder:
        for number, record in enumerate(records, 1):
            answer = ask(desk, record, f"{number} of {len(records)}", Path(folder))
            if answer == QUIT:
                break
            if answer in LABELS:
                done += take(desk, record, LABELS[answer])
    notes().print(f"{done} of {len(records)} reviewed." if records else "Nothing waits for a person.")
    return SUCCESS


def ask(desk: Desk, record: Record, place: str, folder: Path) -> str:
    """Show a picture and what the model said of it; the letter that was typed."""
    output().print(Text(f"{place}  ", "dim").append(printable(record.s3_key), "bold"))
    try:
        data = picture(desk, record)
        decoded = image_gate.decode(data)
    except (LabelRefusedError, InvalidImageError) as error:
        notes().print(f"{error.message if isinstance(error, LabelRefusedError) else error} It is left out.")
        return SKIP
    # The upload's own bytes are hostile until they are decoded: what a viewer gets is a picture made anew.
    shown = folder / f"{place.replace(' ', '-')}.jpg"
    shown.write_bytes(image_gate.encode(decoded.working))
    console = output()
    console.print(in_colours(decoded.working, console.width - 2, max(LEAST_LINES, console.height - LINES_BELOW)))
    bicycle, motorcycle = record.inferences or (0.0, 0.0)
    kind = "a sure answer, drawn for a check" if record.outcome is Outcome.CLASSIFIED else "not sure enough"
    output().print(f"  {shown}\n  bicycle {bicycle:.3f}  motorcycle {motorcycle:.3f}  ({kind})")
    while True:
        try:
            typed = input(QUESTION).strip().lower()[:1]
        except EOFError:
            return QUIT
        if typed in (*LABELS, SKIP, QUIT):
            return typed


def take(desk: Desk, record: Record, label: str) -> bool:
    """Take the label; what cannot be taken is said, and the next one comes."""
    try:
        output().print(said(decide(desk, record, label)), style="green")
    except LabelRefusedError as error:
        notes().print(str(error))
        return False
    return True


def waiting(table: ResultsTable, *, sure: bool) -> Iterator[Record]:
    """Unsure answers, the longest waiting first; then the sampled sure ones, newest first."""
    yield from (record for record in table.of_outcome(Outcome.NEEDS_REVIEW, newest_first=False) if waits(record))
    if sure:
        for record in table.of_outcome(Outcome.CLASSIFIED):
            if waits(record) and drawn(record.s3_bucket, record.s3_key, record.version_id):
                yield record


def desk_of(target: Target) -> Desk:
    """The parts of an application that a review touches."""
    return Desk(
        s3=target.client("s3"),
        dynamodb=target.client("dynamodb"),
        events=target.client("events"),
        bucket=target.output("BucketName"),
        table=target.output("ResultsTableName"),
        bus=target.output("EventBusName"),
    )


def said(found: Reviewed) -> str:
    """What became of a label, in words."""
    rider = f"the rider goes to {found.route} orders" if found.route else "no rider goes"
    return f"{found.label}: recorded, announced and kept to learn from; {rider}."


def in_colours(image: Image.Image, columns: int, lines: int) -> Text:
    """The picture in the terminal, as large as fits: two pixels to a character, one above the other."""
    factor = min(min(columns, MAX_COLUMNS) / image.width, 2 * lines / image.height)
    width, height = max(1, round(image.width * factor)), 2 * max(1, round(image.height * factor / 2))
    pixels = image.resize((width, height), Image.Resampling.BICUBIC).tobytes()
    text = Text()
    for top in range(0, height, 2):
        text.append("  ")
        for column in range(width):
            upper, lower = (tuple(pixels[3 * (row * width + column) :][:3]) for row in (top, top + 1))
            text.append(
                "▀", Style(color="#{:02x}{:02x}{:02x}".format(*upper), bgcolor="#{:02x}{:02x}{:02x}".format(*lower))
            )
        text.append("\n")
    return text
