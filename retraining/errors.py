"""What a run of retraining refuses."""

from lifecycle.errors import SageMakerStepError


class RetrainingError(SageMakerStepError):
    """A step of retraining that cannot be done."""
