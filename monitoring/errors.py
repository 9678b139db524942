"""What monitoring refuses.

MonitoringError            one sentence, and a hint at what to do
├── SourceError            captured data cannot be found or read at all
├── BaselineError          no baseline, or one that cannot be used
└── LabelRefusedError      a review that cannot be taken
"""

from vehiclevision.refusal import Refusal


class MonitoringError(Refusal):
    """Something a person can mend."""


class SourceError(MonitoringError):
    """Captured data cannot be found or read at all."""


class BaselineError(MonitoringError):
    """There is no baseline, or it cannot be used."""


class LabelRefusedError(MonitoringError):
    """A label that cannot be taken for this image."""
