"""The histories of runs that the local AWS keeps, which hold the picture of each: looked through, and erased."""

from collections.abc import Callable, Sequence
from pathlib import Path

from local.engine import process
from local.engine.journal import Journal


class Histories:
    """Those of one state folder's engine, which may be running meanwhile."""

    def __init__(self, directory: Path) -> None:
        self._journal = Journal(process.server(directory).directory / "journal.sqlite3")

    def about(self, concerns: Callable[[str], bool]) -> Sequence[str]:
        """The ended runs whose input is about a photo and whose history is there."""
        kept = {key[0] for key in self._journal.keys("history")}
        return [
            arn
            for (arn,), execution in self._journal.read("execution")
            if arn in kept and concerns(execution.get("input", ""))
        ]

    def forget(self, execution: str) -> None:
        """Erase one, also from what the file keeps behind it."""
        self._journal.erase("history", [execution])
