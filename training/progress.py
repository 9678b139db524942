"""Bars on a terminal while something takes its time; where there is no terminal, nothing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from rich.console import Console
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

from training.data.threads import Listener

LEFT: Final = (TextColumn("left"), TimeRemainingColumn())
BYTES: Final = (DownloadColumn(), TransferSpeedColumn(), *LEFT)
PIECES: Final = (MofNCompleteColumn(), TimeElapsedColumn(), *LEFT)

# Makes the bar of a step: who hears how much of how much is done.
Bar: TypeAlias = Callable[[str], Listener]


@contextmanager
def bars(columns: tuple[ProgressColumn, ...] = PIECES, *, quiet: bool = False) -> Iterator[Bar]:
    """A bar for each step that is listened to, from its first word on."""
    console = Console(stderr=True)
    shown = Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
        # What goes into a file or another program does not go through the bars' console, which is standard error.
        redirect_stdout=sys.stdout.isatty(),
        # Steps of training take seconds each: a short look back would let the time left jump about.
        speed_estimate_period=120,
    )

    def bar(step: str) -> Listener:
        begun: list[TaskID] = []

        def tell(done: int, total: int) -> None:
            if not begun:
                begun.append(shown.add_task(step, total=total))
            shown.update(begun[0], completed=done, total=max(done, total))

        return tell

    with shown:
        yield bar


def unseen(_step: str) -> Listener:
    """The bar of a step that nobody watches."""
    return lambda done, total: None
