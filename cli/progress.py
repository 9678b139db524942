"""Bars on a terminal while something takes its time; where there is no terminal, nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cli.display import notes

BYTES: Final = (DownloadColumn(), TransferSpeedColumn(), TextColumn("left"), TimeRemainingColumn())
FILES: Final = (MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())

# Hears how much of how much is done.
Listener = Callable[[int, int], None]


@contextmanager
def bars(columns: tuple[ProgressColumn, ...], *, quiet: bool = False) -> Iterator[Callable[[str], Listener]]:
    """A bar for each step that is listened to, from its first word on."""
    console = notes()
    shown = Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )

    def listen(step: str) -> Listener:
        bar: list[TaskID] = []

        def tell(done: int, total: int) -> None:
            if not bar:
                bar.append(shown.add_task(step, total=total))
            shown.update(bar[0], completed=done, total=max(done, total))

        return tell

    with shown:
        yield listen
