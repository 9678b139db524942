"""What can go wrong around SageMaker, in words for the person at the keyboard."""

from vehiclevision.refusal import Refusal


class SageMakerStepError(Refusal):
    """The step cannot go on: one sentence, and what to do about it."""


class NothingFoundError(SageMakerStepError):
    """What the step works on is not there yet."""
