"""Tables of figures."""

from collections.abc import Collection, Iterable, Sequence

from rich.table import Table


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], words: Collection[str] = ()) -> Table:
    """All columns stand to the right but those of words."""
    made = Table(title=title)
    for column in columns:
        made.add_column(column, justify="left" if column in words else "right")
    for row in rows:
        made.add_row(*row)
    return made
