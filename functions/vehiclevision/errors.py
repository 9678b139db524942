"""Every error that leaves a function; the state machine matches on these class names.

VehicleVisionError
├── retrying cannot help
│   ├── InvalidRequestError            the event itself is wrong: no image can be named
│   ├── InvalidImageError              the file is no usable photo; carries a reason code     -> REJECTED
│   ├── THRESHOLD_CONFIDENCE_NOT_MET   the model is not sure enough                           -> NEEDS_REVIEW
│   ├── InvalidPredictionError         the endpoint answered with something else              -> FAILED
│   ├── EndpointRefusedError           wrong permission, payload or configuration             -> FAILED
│   └── StorageRefusedError            the function may not read the object                   -> FAILED
└── retrying may help
    ├── EndpointThrottledError         too many requests                       retried long
    ├── EndpointUnavailableError       not reachable, restarting, not ready    retried long
    ├── EndpointMissingError           no endpoint of that name (yet)          retried a minute
    ├── EndpointModelError             the model container failed              retried briefly
    └── StorageUnavailableError        S3 did not answer properly              retried

The names are classes, not codes, because Lambda reports the class name and Step Functions matches on it.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a file was refused, as it stands in the record and on the page."""

    EMPTY = "EMPTY"
    TOO_MANY_BYTES = "TOO_MANY_BYTES"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    SIDE_TOO_LONG = "SIDE_TOO_LONG"
    SIDE_TOO_SHORT = "SIDE_TOO_SHORT"
    TOO_ELONGATED = "TOO_ELONGATED"
    TOO_MANY_SCANS = "TOO_MANY_SCANS"
    ANIMATED = "ANIMATED"
    CANNOT_DECODE = "CANNOT_DECODE"
    OBJECT_NOT_FOUND = "OBJECT_NOT_FOUND"


class VehicleVisionError(Exception):
    """The root: whatever we raise on purpose."""


class InvalidRequestError(VehicleVisionError):
    """The event does not name an image."""


class InvalidImageError(VehicleVisionError):
    """The file is no usable photo; the message is `REASON: what to do about it`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


class THRESHOLD_CONFIDENCE_NOT_MET(VehicleVisionError):  # noqa: N801,N818 - the name that operators search for
    """No label reaches the confidence threshold: a person decides."""


class InvalidPredictionError(VehicleVisionError):
    """The endpoint's answer is not a probability for each label."""


class EndpointRefusedError(VehicleVisionError):
    """The endpoint will refuse this request every time."""


class EndpointThrottledError(VehicleVisionError):
    """The endpoint asks us to slow down."""


class EndpointUnavailableError(VehicleVisionError):
    """The endpoint cannot be reached or is not ready yet."""


class EndpointMissingError(VehicleVisionError):
    """There is no endpoint of the configured name."""


class EndpointModelError(VehicleVisionError):
    """The model container failed on this request."""


class StorageRefusedError(VehicleVisionError):
    """S3 will refuse this read every time."""


class StorageUnavailableError(VehicleVisionError):
    """S3 did not answer properly; the object may well be there."""
