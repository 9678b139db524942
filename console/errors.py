"""What the page says when it cannot do what was asked.

Refusal             one sentence and a hint: the root of every room's errors for people
└── ConsoleError    the same of the page
    └── UnknownPhotoError   nothing is known of such a photo
"""

from vehiclevision.refusal import Refusal


class ConsoleError(Refusal):
    """The page cannot do that."""


class UnknownPhotoError(ConsoleError):
    """Nothing is known of such a photo."""
