"""Tell the story of one image: its run and its log lines.

Times are this machine's; with --json they are UTC.
"""

from typing import Annotated

from rich.text import Text

from cli.display import ended_line, output, printable, tell
from cli.drop import ended
from cli.errors import SUCCESS
from cli.options import Application, AsJson, argument
from console import story
from console.story import Line, Run


def command(
    key: Annotated[str, argument("KEY", "A whole key, an s3:// address, or a file name: its newest run.")],
    application: Application,
    as_json: AsJson = False,
) -> int:
    """Print the story of one image."""
    target = application.target()
    run = story.find_run(target, key)
    lines = story.tell(target, run)
    if not as_json:
        _print_heading(run)
    for line in lines:
        tell(as_json, line.to_json(), _story_line(line))
    if run.record is None and not as_json:
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
    text = Text(f"{line.at.astimezone():%H:%M:%S.%f}"[:12], "dim")
    text.append(f"  {line.source:<17}  ", "cyan")
    extra = " ".join(f"{name}={value}" for name, value in line.fields.items() if name not in ("state", "error"))
    text.append(printable(f"{line.text} {extra}".rstrip()), "red" if line.is_trouble else "default")
    return text
