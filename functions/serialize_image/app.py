"""Serialize image: one object version in, the model's input out."""

import base64
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.config import Config

from vehiclevision import telemetry
from vehiclevision.errors import InvalidImageError, VehicleVisionError
from vehiclevision.image_gate import Limits, normalise
from vehiclevision.requests import ObjectVersion
from vehiclevision.settings import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from vehiclevision.storage import read_version

logger = Logger()
metrics = Metrics(namespace=telemetry.NAMESPACE)
limits = Limits()
s3 = boto3.client(
    "s3",
    config=Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1},
    ),
)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Read the object version, normalise it, and hand on the picture with its measurements."""
    telemetry.follow(logger, metrics, event)
    try:
        stored = read_version(s3, ObjectVersion.from_event(event), limits.max_bytes)
        image = normalise(stored.data, limits)
    except InvalidImageError as error:
        telemetry.count(metrics, telemetry.IMAGE_REFUSED)
        logger.info("image_refused", reason=error.reason.value)
        raise
    except VehicleVisionError as error:
        logger.warning("image_not_read", error_name=type(error).__name__, detail=str(error))
        raise
    telemetry.count(metrics, telemetry.IMAGE_ACCEPTED)
    logger.info("image_accepted", measurements=image.measured())
    return {
        **event,
        "version_id": stored.version_id,
        "uploaded_at": stored.uploaded_at,
        "superseded": stored.superseded,
        "image_data": base64.b64encode(image.jpeg).decode("ascii"),
        "measurements": image.measured(),
    }
