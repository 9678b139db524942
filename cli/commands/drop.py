"""Upload images and print what becomes of each.

A file of a folder keeps its path from there; files that would get the same key also get the names of folders above.
Links out of a folder are left out. The exit code is 0 if each file ended with a record other than FAILED, else 1.
"""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import sources
from cli.answering import endpoint_of
from cli.display import HEADING, ended_line, notes, on_interrupt, output, print_json, printable
from cli.drop import Ended, drop, left_out
from cli.errors import FAILURE, SUCCESS, USAGE, CommandError
from cli.options import Application, AsJson, Timeout, argument
from cli.uploads import Uploaded


def command(
    paths: Annotated[list[Path], argument("PATH", "Files, or folders with all that is in them.")],
    application: Application,
    timeout: Timeout = 600,
    as_json: AsJson = False,
) -> int:
    """Upload what the paths hold, and print what became of each file."""
    missing = [path for path in paths if not os.path.lexists(path)]
    if missing:
        names = ", ".join(printable(str(path)) for path in missing[:3])
        raise CommandError(f"There is no {names}.", "Nothing was uploaded. Check the path.", USAGE)
    files, refused = sources.find(paths)
    for item in refused:
        if not item.asked_for:
            notes().print(f"Left out: {printable(str(item.path))}: {item.detail}")
    unusable = [left_out(item) for item in refused if item.asked_for]
    if not files and not unusable:
        raise CommandError("There is no file to upload.", "Name a file, or a folder that holds some.", USAGE)
    target = application.target()
    if (endpoint := endpoint_of(target)) and endpoint.trouble:
        notes().print(printable(endpoint.trouble))
    uploaded: list[Uploaded] = []

    def stopped() -> str:
        return (
            f"Stopped. {len(uploaded)} of {len(files)} files were uploaded, and those go on by themselves.\n"
            f"See the rest with: vehiclevision results{target.options}"
        )

    with on_interrupt(stopped), _progress(len(files)) as progress:
        printer = _Printer(progress, as_json=as_json)
        for end in unusable:
            printer.show(end)
        upload_bar = progress.add_task("uploaded", total=len(files))
        ended_bar = progress.add_task("ended", total=len(files))
        for event in drop(target, files, timeout):
            if isinstance(event, Uploaded):
                uploaded.append(event)
                progress.advance(upload_bar)
            else:
                printer.show(event)
                progress.advance(ended_bar)
    printer.sum_up()
    return SUCCESS if printer.all_good else FAILURE


def _progress(total: int) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal or total == 0,
        # What goes into a file or another program does not go through the bar's console, which is standard error.
        redirect_stdout=sys.stdout.isatty(),
    )


class _Printer:
    """Prints each image's end, and remembers how many there were of each kind."""

    def __init__(self, progress: Progress, *, as_json: bool) -> None:
        self._as_json = as_json
        # Beside a moving bar on the same terminal, lines must go through the bar's own console.
        shares_screen = not progress.disable and sys.stdout.isatty()
        self._console = progress.console if shares_screen else output()
        self._counts: Counter[str] = Counter()
        self.all_good = True
        self._headed = as_json

    def show(self, end: Ended) -> None:
        """Print one line."""
        self.all_good = self.all_good and end.is_good
        self._counts[end.outcome or "NOT DONE"] += 1
        if self._as_json:
            print_json(end.to_json())
            if end.detail:
                notes().print(f"{printable(end.key)}: {printable(end.detail)}")
            return
        if not self._headed:
            self._headed = True
            self._console.print(HEADING, style="bold", soft_wrap=True)
        self._console.print(ended_line(end), soft_wrap=True)

    def sum_up(self) -> None:
        """Print the counts, where there is more than a line or two to count."""
        if not self._as_json and self._counts.total() > 1:
            output().print(", ".join(f"{count} {name}" for name, count in sorted(self._counts.items())))
