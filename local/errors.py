"""What can go wrong with the local AWS, in words for the person at the keyboard.

LocalAwsError    one sentence and what to do about it; commands print both and no traceback
"""


class LocalAwsError(Exception):
    """The local AWS cannot do what was asked; `hint` says what would help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
