"""The threshold that is in force, read from the function that applies it."""

import time
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from console.deployed import Deployed
from vehiclevision.settings import SettingsError, confidence_threshold

KEPT_SECONDS: Final = 30.0


@dataclass
class Threshold:
    """Called, it says from which confidence an answer counts; None if that may not be read."""

    deployed: Deployed
    _value: float | None = None
    _read_at: float | None = None

    def __call__(self) -> float | None:
        """The threshold of half a minute ago at most."""
        if self._read_at is None or time.monotonic() - self._read_at > KEPT_SECONDS:
            self._read_at = time.monotonic()
            self._value = self._read()
        return self._value

    def _read(self) -> float | None:
        try:
            settings = self.deployed.client("lambda").get_function_configuration(
                FunctionName=self.deployed.output("FilterInferencesFunctionName")
            )["Environment"]["Variables"]
            return confidence_threshold(settings)
        except (ClientError, BotoCoreError, KeyError, SettingsError):
            return None
