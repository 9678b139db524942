"""The `results` and `logs` commands."""

from datetime import UTC
from typing import Final

from rich.text import Text

from cli import story
from cli.display import ended_line, notes, output, print_json, printable, record_line
from cli.drop import ended
from cli.story import Line, Run
from cli.target import Target
from vehiclevision.record import Outcome

SUCCESS: Final = 0
HEADING: Final = f"{'recorded (UTC)':<19}  {'outcome':<12}  {'what':<24}  key"


def results(target: Target, key: str | None, outcome: str | None, limit: int, *, as_json: bool) -> int:
    """List records, newest first."""
    table = target.results
    outcomes = [Outcome(outcome)] if outcome else list(Outcome)
    if key is None:
        records = table.newest(outcomes, limit)
    else:
        records = table.search(target.output("BucketName"), key, outcomes, limit)
    if as_json:
        for record in records:
            print_json(record.to_json())
    elif records:
        output().print(HEADING, style="bold")
        for record in records:
            output().print(record_line(record))
    else:
        notes().print("Nothing is recorded of that. Images come in with: vehiclevision drop PATH...")
    return SUCCESS


def logs(target: Target, key: str, *, as_json: bool) -> int:
    """Print the story of one image."""
    run = story.find_run(target, key)
    lines = story.tell(target, run)
    if as_json:
        for line in lines:
            print_json(line.to_json())
        return SUCCESS
    _print_heading(run)
    for line in lines:
        output().print(_story_line(line))
    if run.record is None:
        output().print("Nothing is recorded yet.")
    return SUCCESS


def _print_heading(run: Run) -> None:
    console = output()
    console.print(printable(run.s3_key), style="bold")
    if run.record is not None:
        console.print(f"  version    {run.record.version_id}")
    console.print(f"  execution  {run.execution}")
    if run.record is not None:
        console.print(Text("  ended      ").append(ended_line(ended(run.record, None))))


def _story_line(line: Line) -> Text:
    text = Text(f"{line.at.astimezone(UTC):%H:%M:%S.%f}"[:12], "dim")
    text.append(f"  {line.source:<17}  ", "cyan")
    extra = " ".join(f"{name}={value}" for name, value in line.fields.items() if name not in ("state", "error"))
    text.append(printable(f"{line.text} {extra}".rstrip()), "red" if line.is_trouble else "default")
    return text
