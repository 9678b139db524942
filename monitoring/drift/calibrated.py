"""What is right how often: numbers that monitoring.drift.calibration fits, and monitoring.estimate reckons with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monitoring.measure import Numbers

MEASURED: Final = ("brightness", "contrast", "sharpness", "saturation", "warmth")
FEATURES: Final = ("constant", "surer", "vehicle", *MEASURED)
PLAIN: Final = "plain"
ALL: Final = "all"
PASSED: Final = "passed"


@dataclass(frozen=True)
class Kind:
    """A way in which pictures were changed: how far the measurements moved, and how far the estimates were off."""

    shift: Numbers
    errors: Mapping[str, float]


@dataclass(frozen=True)
class Calibration:
    """What is right how often, as fitted to pictures with known labels."""

    coefficients: Numbers
    covariance: Numbers
    vehicle_share: float
    mean: Numbers
    spread: Numbers
    kinds: Mapping[str, Kind]
    systematic: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, as it stands in a baseline."""
        return {
            "features": list(FEATURES),
            "coefficients": _plain(self.coefficients),
            "covariance": _plain(self.covariance.ravel()),
            "vehicle_share": self.vehicle_share,
            "mean": _plain(self.mean),
            "spread": _plain(self.spread),
            "kinds": {
                name: {"shift": _plain(kind.shift), "errors": {of: round(kind.errors[of], 4) for of in (ALL, PASSED)}}
                for name, kind in self.kinds.items()
            },
            "systematic": {of: round(self.systematic[of], 4) for of in (ALL, PASSED)},
        }


def _plain(values: Numbers) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]
