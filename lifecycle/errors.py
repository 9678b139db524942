"""What can go wrong around SageMaker, in words for the person at the keyboard.

SageMakerStepError       one sentence and what to do about it
├── NothingFoundError    what the step works on is not there yet
├── NotApprovedError     a version that nobody approved must not be deployed
├── JobFailedError       a job ended without a model
└── RolledBackError      SageMaker took the new version back
"""

from vehiclevision.refusal import Refusal


class SageMakerStepError(Refusal):
    """The step cannot go on."""


class NothingFoundError(SageMakerStepError):
    """What the step works on is not there yet."""


class NotApprovedError(SageMakerStepError):
    """A version that nobody approved must not be deployed."""


class JobFailedError(SageMakerStepError):
    """A job ended without a model."""


class RolledBackError(SageMakerStepError):
    """SageMaker took the new version back, and the one before still answers."""
