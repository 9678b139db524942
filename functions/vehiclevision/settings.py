"""Settings of the functions, read from the environment once, at cold start."""

from collections.abc import Mapping
from dataclasses import dataclass

# Calls end before the function does, so that the error has a name. Step Functions owns the retries.
CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 20


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True)
class ClassifySettings:
    """Which endpoint answers."""

    endpoint_name: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ClassifySettings":
        """Read ENDPOINT_NAME."""
        return cls(endpoint_name=_required(environment, "ENDPOINT_NAME"))


@dataclass(frozen=True)
class FilterSettings:
    """How sure the model must be."""

    confidence_threshold: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "FilterSettings":
        """Read CONFIDENCE_THRESHOLD, a number above 0.5 and at most 1: below, two labels could pass."""
        text = _required(environment, "CONFIDENCE_THRESHOLD")
        try:
            threshold = float(text)
        except ValueError as exc:
            raise SettingsError(f"CONFIDENCE_THRESHOLD must be a number, not {text!r}") from exc
        if not 0.5 < threshold <= 1:
            raise SettingsError(f"CONFIDENCE_THRESHOLD must lie above 0.5 and at most at 1, not {text}")
        return cls(confidence_threshold=threshold)


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set")
    return value
