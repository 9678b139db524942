"""The page about teeth, as the run writes it."""

from collections.abc import Iterable, Iterator
from datetime import date

from tests.infra.weakenings import WEAKENINGS
from tests.simulator.test_teeth import WEAKENED
from tests.teeth.planted import TEETH

INFRA, HISTORIES = "tests/infra/test_weakenings.py", "tests/simulator/test_teeth.py"
HEADING = "# Teeth"
INTRODUCTION = """Each defence is worth what the test is worth that notices its loss. Here each was taken out alone, and
this noticed. `python -m tests.teeth` does it again and writes this page; it ends with an error if a loss goes
unnoticed. The losses in templates, state machine and histories are also tried by every `make test`.
"""
Row = tuple[str, str]


def code() -> Iterator[Row]:
    """What is lost in the code, and the test that fails."""
    return ((f"{tooth.room}: {tooth.lost}", tooth.test) for tooth in TEETH)


def histories() -> Iterator[Row]:
    """What the workflow lacks, and what finds a history that breaks a promise."""
    return ((_words(weaken.__name__), HISTORIES) for weaken in WEAKENED)


def structure() -> Iterator[Row]:
    """What templates, state machine and files lack, and the check that complains."""
    return ((_words(each.name), f"{INFRA}: {_words(each.check)}") for each in WEAKENINGS)


def page(on: date) -> str:
    """The whole page."""
    sections = (("Code", code()), ("Histories of the workflow", histories()), ("Templates and files", structure()))
    tables = "\n".join(f"## {title}\n\n{_table(rows)}" for title, rows in sections)
    count = sum(1 for make in (code, histories, structure) for _ in make())
    return f"{HEADING}\n\n{INTRODUCTION}\n{count} of {count} were noticed on {on}.\n\n{tables}"


def _table(rows: Iterable[Row]) -> str:
    lines = "".join(f"| {lost} | {_cited(notices)} |\n" for lost, notices in rows)
    return f"| taken out | what notices |\n|---|---|\n{lines}"


def _cited(notices: str) -> str:
    """The file as a citation that the documents' own test follows, and what in it."""
    file, separator, what = notices.partition("::") if "::" in notices else notices.partition(": ")
    return f"`{file}`: {_words(what.removeprefix('test_'))}" if separator else f"`{file}`"


def _words(name: str) -> str:
    return name.replace("_", " ")
