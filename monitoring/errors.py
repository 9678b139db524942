"""What monitoring refuses.

MonitoringError            one sentence, and a hint at what to do
├── SourceError            captured data cannot be found or read at all
├── BaselineError          no baseline, or one that cannot be used
├── LabelRefusedError      a review that cannot be taken
└── RetrainingError        a step of retraining that cannot be done
"""


class MonitoringError(Exception):
    """Something a person can mend: what is wrong in one sentence, and a hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SourceError(MonitoringError):
    """Captured data cannot be found or read at all."""


class BaselineError(MonitoringError):
    """There is no baseline, or it cannot be used."""


class LabelRefusedError(MonitoringError):
    """A label that cannot be taken for this image."""


class RetrainingError(MonitoringError):
    """A step of retraining that cannot be done."""
