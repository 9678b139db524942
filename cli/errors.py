"""What a command says when it cannot go on.

Refusal             one sentence and a hint: the root of every room's errors for people
└── CommandError    the same of a command, and its exit code

botocore's errors are put into the same words by cli.explanations.
"""

from typing import Final

from vehiclevision.refusal import Refusal

SUCCESS: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # what shells report for a program that Ctrl-C ended


class CommandError(Refusal):
    """The command cannot go on."""

    def __init__(self, message: str, hint: str = "", exit_code: int = FAILURE) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code
