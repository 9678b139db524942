"""How the local SageMaker differs from AWS in time and size, and how to set it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.place import CHECKOUT

MADE: Final[Path] = CHECKOUT / ".venv-training" / "bin" / "python"


@dataclass(frozen=True)
class Settings:
    """All that can be chosen; the defaults suit a laptop."""

    # Minutes of waiting in AWS pass in so many seconds here: traffic shifts, baking, starting.
    speed: float = 60.0
    # AWS gives a stopped job 120 s between SIGTERM and SIGKILL.
    stop_seconds: float = 10.0
    jobs_at_a_time: int = 2
    chosen_python: str | None = None

    @property
    def training_python(self) -> str:
        """What trains now: as chosen, else with PyTorch where `make setup-training` has put it, else what runs this."""
        return self.chosen_python or str(MADE if MADE.exists() else sys.executable)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings a person made, by name; a value that is none ends the process with a sentence."""
        try:
            return cls(
                speed=max(1.0, float(environment.get("VEHICLEVISION_SAGEMAKER_SPEED") or cls.speed)),
                stop_seconds=float(environment.get("VEHICLEVISION_SAGEMAKER_STOP_SECONDS") or cls.stop_seconds),
                jobs_at_a_time=max(1, int(environment.get("VEHICLEVISION_SAGEMAKER_JOBS") or os.cpu_count() or 2)),
                chosen_python=environment.get("VEHICLEVISION_TRAINING_PYTHON") or None,
            )
        except ValueError as error:
            raise SystemExit(f"A VEHICLEVISION_SAGEMAKER_… setting is no number: {error}") from error
