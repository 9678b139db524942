"""Logs that tell one image's story, and the metrics that alarms and the dashboard read."""

from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE: Final = "VehicleVision"

# Metric names, used by the functions, template.yaml and dashboard.yaml alike; a test compares them.
IMAGE_ACCEPTED: Final = "ImageAccepted"
IMAGE_REFUSED: Final = "ImageRefused"
PREDICTION_MADE: Final = "PredictionMade"
PREDICTION_FAILED: Final = "PredictionFailed"
CAPTURE_FAILED: Final = "CaptureFailed"
SECOND_OPINION_FAILED: Final = "SecondOpinionFailed"
SECONDED: Final = "Seconded"
CONFIDENT: Final = "Confident"
NEEDS_REVIEW: Final = "NeedsReview"
CONFIDENCE: Final = "Confidence"

# The only fields of an event that a log line may carry: none of them holds any of the picture.
_STORY: Final = ("correlation_id", "execution_id", "s3_bucket", "s3_key", "version_id")


def follow(logger: Logger, metrics: Metrics, event: Any) -> None:
    """Put the image's identity on every line that this invocation logs, and count from nothing."""
    # Where metrics are disabled Powertools keeps them all the same, and prints every hundredth time.
    metrics.clear_metrics()
    fields = event if isinstance(event, Mapping) else {}
    texts = {name: str(fields.get(name) or "")[:1024] for name in _STORY}
    # Half a character would keep the line from being written.
    logger.append_keys(**{name: text.encode("utf-8", "backslashreplace").decode() for name, text in texts.items()})


def count(metrics: Metrics, name: str) -> None:
    """One more of the named metric."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
