"""What people are told: each room derives its errors of this kind from one class, and one place prints them."""


class Refusal(Exception):  # noqa: N818 - nothing is broken: it says what cannot be done, and what would help
    """Something cannot be done: `message` is one sentence, `hint` says what would help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


def printable(text: str) -> str:
    """The text without anything that would move a terminal's cursor or end its line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
