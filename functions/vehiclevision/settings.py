"""Settings of the functions, read from the environment once, at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Who may be asked for a second opinion: Rekognition, or a model on Bedrock.
REKOGNITION: Final = "rekognition"
BEDROCK: Final = "bedrock"
# Calls end before the function does, so that the error has a name. Step Functions owns the retries.
CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 20
# A record that is captured may keep an answer waiting no longer than both of these together.
CAPTURE_CONNECT_SECONDS = 1
CAPTURE_READ_SECONDS = 2
# Nor does a second opinion: whoever does not answer within these is none.
OPINION_CONNECT_SECONDS = 1
OPINION_READ_SECONDS = 8


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Destination:
    """Where the function captures what it asked, and of how many photos in a hundred."""

    bucket: str
    prefix: str
    percent: float


@dataclass(frozen=True)
class Doubt:
    """Who is asked about an answer that is not sure enough, and from which confidence it is."""

    service: str
    threshold: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Doubt | None":
        """Read SECOND_OPINION, and CONFIDENCE_THRESHOLD if it names somebody."""
        service = environment.get("SECOND_OPINION", "").strip()
        if service in ("", "none"):
            return None
        if service != REKOGNITION and not re.fullmatch(rf"{BEDROCK}:[\w.:-]+", service):
            raise SettingsError(f"SECOND_OPINION must be none, {REKOGNITION} or {BEDROCK}:MODEL, not {service!r}")
        return cls(service, confidence_threshold(environment))


@dataclass(frozen=True)
class ClassifySettings:
    """Which endpoint answers, who else is asked, and where answers are captured by the function itself, if at all."""

    endpoint_name: str
    capture: Destination | None = None
    doubt: Doubt | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ClassifySettings":
        """Read ENDPOINT_NAME and, where the function captures, CAPTURE_BUCKET, CAPTURE_PREFIX and CAPTURE_PERCENT."""
        name, bucket = required(environment, "ENDPOINT_NAME"), environment.get("CAPTURE_BUCKET", "").strip()
        doubt = Doubt.from_environment(environment)
        if not bucket:
            return cls(name, None, doubt)
        percent = _number(environment, "CAPTURE_PERCENT")
        if not 0 <= percent <= 100:
            raise SettingsError(f"CAPTURE_PERCENT must lie between 0 and 100, not {percent}")
        prefix = required(environment, "CAPTURE_PREFIX").strip("/")
        return cls(name, Destination(bucket, prefix, percent) if percent else None, doubt)


def confidence_threshold(environment: Mapping[str, str]) -> float:
    """How sure the model must be: CONFIDENCE_THRESHOLD, above 0.5 and at most 1; below, two labels could pass."""
    threshold = _number(environment, "CONFIDENCE_THRESHOLD")
    if not 0.5 < threshold <= 1:
        raise SettingsError(f"CONFIDENCE_THRESHOLD must lie above 0.5 and at most at 1, not {threshold:g}")
    return threshold


def _number(environment: Mapping[str, str], name: str) -> float:
    text = required(environment, name)
    try:
        return float(text)
    except ValueError as exc:
        raise SettingsError(f"{name} must be a number, not {text!r}") from exc


def required(environment: Mapping[str, str], name: str) -> str:
    """A setting that must be there."""
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set")
    return value
