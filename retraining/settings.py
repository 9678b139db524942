"""What retraining is told by its stack, read once from the environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import boto3

from lifecycle.site import Aws, Site
from retraining.errors import RetrainingError

_ON: Final = "true"


@dataclass(frozen=True)
class StackParameters:
    """All of it; addresses are s3://, and empty where there is none."""

    site: Site
    upload_bucket: str
    # The base data is pinned: its validation part is the fixed half of the hold-out.
    training_data: str
    training_data_hash: str
    training_source: str
    training_image: str
    instance_type: str
    threshold: float
    least_new_labels: int
    least_held_out: int
    cool_down_hours: float
    runs_a_month: int
    dollars_a_month: float
    dollars_an_hour: float
    quick: bool = False
    # What the endpoint serves, and in which image, where that is no registered version.
    champion_model: str = ""
    serving_image: str = ""
    # Alarms beside the endpoint's own that say whether a new model does well.
    watched_alarms: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "StackParameters":
        """The settings; RetrainingError names what is missing or no number."""
        try:
            return cls(
                site=Site(
                    environment["APPLICATION"],
                    environment["ACCOUNT_ID"],
                    environment["AWS_REGION"],
                    environment["PARTITION"],
                    environment["KMS_KEY_ARN"] or None,
                ),
                upload_bucket=environment["UPLOAD_BUCKET_NAME"],
                training_data=environment["TRAINING_DATA"],
                training_data_hash=environment["TRAINING_DATA_HASH"],
                training_source=environment["TRAINING_SOURCE"],
                training_image=environment["TRAINING_IMAGE"],
                instance_type=environment["TRAINING_INSTANCE_TYPE"],
                threshold=float(environment["CONFIDENCE_THRESHOLD"]),
                least_new_labels=int(environment["LEAST_NEW_LABELS"]),
                least_held_out=int(environment["LEAST_HELD_OUT"]),
                cool_down_hours=float(environment["COOL_DOWN_HOURS"]),
                runs_a_month=int(environment["RUNS_A_MONTH"]),
                dollars_a_month=float(environment["DOLLARS_A_MONTH"]),
                dollars_an_hour=float(environment["DOLLARS_AN_HOUR"]),
                quick=environment["QUICK_TRAINING"] == _ON,
                champion_model=environment["CHAMPION_MODEL"],
                serving_image=environment["SERVING_IMAGE"],
                watched_alarms=tuple(filter(None, environment["WATCHED_ALARMS"].split(","))),
            )
        except KeyError as missing:
            raise RetrainingError(
                f"The environment lacks {missing.args[0]}.", "Deploy again: vehiclevision monitor deploy"
            ) from missing
        except ValueError as error:
            raise RetrainingError(
                f"A setting is no number: {error}.", "Deploy again: vehiclevision monitor deploy"
            ) from error


def connected(settings: StackParameters, tell: Callable[[str], None]) -> Aws:
    """The site as a function reaches it, each client made once."""

    @cache
    def client(service: str) -> Any:
        return boto3.client(service)  # type: ignore[call-overload]

    return Aws(settings.site, client, tell)
