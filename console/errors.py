"""What the page says when it cannot do what was asked.

Refusal             one sentence and a hint: the root of every room's errors for people
└── ConsoleError    the same of the page
    ├── WrongQuestionError  what was asked cannot be meant
    ├── UnfinishedError     it may be done half-way, and the same again does the rest
    └── UnknownPageError    there is nothing at this address
        └── UnknownPhotoError   nothing is known of such a photo
"""

from vehiclevision.refusal import Refusal


class ConsoleError(Refusal):
    """The page cannot do that."""


class WrongQuestionError(ConsoleError):
    """What was asked cannot be meant."""


class UnfinishedError(ConsoleError):
    """It may be done half-way, and the same again does the rest."""


class UnknownPageError(ConsoleError):
    """There is nothing at this address."""


class UnknownPhotoError(UnknownPageError):
    """Nothing is known of such a photo."""
