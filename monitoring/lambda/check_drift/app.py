"""Check drift: a window of captured requests in, what changed out."""

import os
from datetime import UTC, datetime
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from monitoring import check

logger = Logger()
settings = check.CheckSettings.from_environment(os.environ)
clients = check.Clients(
    s3=boto3.client("s3"),
    dynamodb=boto3.client("dynamodb"),
    cloudwatch=boto3.client("cloudwatch"),
    events=boto3.client("events"),
)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Check the window that the event names, or the last whole hours."""
    window = check.window_of(event, settings.window_hours, datetime.now(UTC))
    result = check.run(settings, clients, window)
    logger.info("drift_checked", **{name: result[name] for name in ("drifted", "silent", "records", "words", "report")})
    return result
