"""What a command leaves behind."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cli.options import Application


@dataclass(frozen=True)
class Answer:
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    def json_lines(self) -> list[dict[str, Any]]:
        """Standard output, each line as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


# Runs one command line.
Command = Callable[..., Answer]
# Calls what stands behind a command.
Called = Callable[[Callable[[], int]], Answer]


@dataclass(frozen=True)
class Known(Application):
    """An application that need not be looked for."""

    known: Any = None

    def target(self) -> Any:
        return self.known


def known(target: Any) -> Known:
    """The application as a command takes it."""
    return Known(known=target)
