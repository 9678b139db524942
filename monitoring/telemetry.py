"""The metrics of a check, by endpoint: the function, the template's alarms and its dashboard use these names alike."""

from typing import Final

NAMESPACE: Final = "VehicleVision"
DIMENSION: Final = "EndpointName"

# One for each check that came to its end: without it, nobody looks.
CHECK_MADE: Final = "CheckMade"
RECORDS_READ: Final = "RecordsRead"
RECORDS_UNREADABLE: Final = "RecordsUnreadable"
# 1 or 0.
DRIFT_FOUND: Final = "DriftFound"
CAPTURE_SILENT: Final = "CaptureSilent"
# The share of answers that reach the threshold, and how far it surely lies below the baseline's.
COVERAGE: Final = "Coverage"
COVERAGE_FALL: Final = "CoverageFall"
# Of the answers that pass, without labels; only where the estimate can be relied on.
ESTIMATED_ACCURACY: Final = "EstimatedAccuracy"
