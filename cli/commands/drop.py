"""The `drop` and `start` commands: progress on standard error, one line an image on standard output."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import runs, sources
from cli.display import HEADING, ended_line, notes, output, print_json, printable
from cli.drop import Ended, left_out
from cli.drop import drop as drop_images
from cli.errors import FAILURE, INTERRUPTED, USAGE, CommandError
from cli.sources import LeftOut, Source
from cli.target import Target
from cli.uploads import Uploaded

SUCCESS = 0


def drop(find_target: Callable[[], Target], paths: Sequence[Path], timeout_seconds: float, *, as_json: bool) -> int:
    """Upload what the paths hold and print what became of each file."""
    found, refused = sources.find(paths)
    for item in refused:
        if not item.wanted:
            notes().print(f"Left out: {printable(str(item.path))}: {item.detail}")
    if not found and not any(item.wanted for item in refused):
        raise CommandError("There is no file to upload.", "Name a file, or a folder that holds some.", USAGE)
    target = find_target()
    uploaded = 0
    try:
        with _progress(len(found)) as progress:
            printer = _Printer(progress, as_json=as_json)
            upload_bar = progress.add_task("uploaded", total=len(found))
            ended_bar = progress.add_task("ended", total=len(found))
            for event in _events(target, found, refused, timeout_seconds):
                if isinstance(event, Uploaded):
                    uploaded += 1
                    progress.advance(upload_bar)
                else:
                    printer.show(event)
                    progress.advance(ended_bar)
    except KeyboardInterrupt:
        notes().print(
            f"Stopped. {uploaded} of {len(found)} files were uploaded, and those go on by themselves.\n"
            f"See the rest with: vehiclevision results{target.options}"
        )
        return INTERRUPTED
    printer.sum_up()
    return SUCCESS if printer.all_good else FAILURE


def start(
    target: Target, bucket: str, key: str, version_id: str | None, timeout_seconds: float, *, as_json: bool
) -> int:
    """Run the workflow for one object and print what became of it."""
    if not bucket or not key:
        raise CommandError("BUCKET and KEY must not be empty.", "Name the object, as in: uploads/photo.jpg", USAGE)
    try:
        end = runs.start(target, bucket, key, version_id, timeout_seconds)
    except KeyboardInterrupt:
        notes().print(f"Stopped waiting; the run goes on. See it with: vehiclevision results{target.options}")
        return INTERRUPTED
    if as_json:
        print_json(end.to_json())
    else:
        output().print(ended_line(end))
    return SUCCESS if end.is_good else FAILURE


def _events(
    target: Target, found: Sequence[Source], refused: Sequence[LeftOut], timeout_seconds: float
) -> Iterator[Uploaded | Ended]:
    yield from (left_out(item) for item in refused if item.wanted)
    yield from drop_images(target, found, timeout_seconds)


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
    )


class _Printer:
    """Prints each image's end, and remembers how many there were of each kind."""

    def __init__(self, progress: Progress, *, as_json: bool) -> None:
        self._as_json = as_json
        # Beside a moving bar on the same terminal, lines must go through the bar's own console.
        shares_screen = not progress.disable and sys.stdout.isatty()
        self._console = progress.console if shares_screen else output()
        self._counts: dict[str, int] = {}
        self.all_good = True
        self._headed = as_json

    def show(self, end: Ended) -> None:
        """Print one line."""
        self.all_good = self.all_good and end.is_good
        name = end.outcome or "NOT DONE"
        self._counts[name] = self._counts.get(name, 0) + 1
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
        if not self._as_json and sum(self._counts.values()) > 1:
            output().print(", ".join(f"{count} {name}" for name, count in sorted(self._counts.items())))
