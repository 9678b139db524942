"""What a command says when it cannot go on.

CommandError   one sentence, a hint what would help, and the exit code

LocalAwsError and botocore's errors are put into the same words by cli.explanations.
"""

from typing import Final

FAILURE: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # what shells report for a program that Ctrl-C ended


class CommandError(Exception):
    """The command cannot go on; `hint` says what would help."""

    def __init__(self, message: str, hint: str = "", exit_code: int = FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
