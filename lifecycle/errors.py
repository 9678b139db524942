"""What can go wrong around SageMaker, in words for the person at the keyboard.

SageMakerStepError       one sentence and what to do about it
├── NothingFoundError    what the step works on is not there yet
├── NotApprovedError     a version that nobody approved must not be deployed
├── JobFailedError       a job ended without a model
└── RolledBackError      SageMaker took the new version back
"""


class SageMakerStepError(Exception):
    """The step cannot go on; `hint` says what would help."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NothingFoundError(SageMakerStepError):
    """What the step works on is not there yet."""


class NotApprovedError(SageMakerStepError):
    """A version that nobody approved must not be deployed."""


class JobFailedError(SageMakerStepError):
    """A job ended without a model."""


class RolledBackError(SageMakerStepError):
    """SageMaker took the new version back, and the one before still answers."""
