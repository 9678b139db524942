"""Find gaps: photos that were lost from sight, a stretch of the bucket at a time."""

import os
from datetime import UTC, datetime
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from reconciling import telemetry
from reconciling.ledger import Ledger, MovedMeanwhileError
from reconciling.sweep import Parts, sweep
from vehiclevision.results import ResultsTable

# What is told of the open gaps; the ledger has them all.
MOST_NAMED = 20

logger = Logger()
metrics = Metrics(namespace=telemetry.NAMESPACE)
dynamodb = boto3.client("dynamodb")
parts = Parts(
    boto3.client("s3"),
    ResultsTable(dynamodb, os.environ["RESULTS_TABLE"]),
    Ledger(dynamodb, os.environ["LEDGER_TABLE"]),
    os.environ["UPLOAD_BUCKET"],
)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Go on where the last run ended, and say how many gaps are open."""
    now = datetime.now(UTC)
    try:
        swept = sweep(parts, now, lambda: context.get_remaining_time_in_millis() / 1000)
    except MovedMeanwhileError:
        logger.info("somebody_else_joins")
        return {"gaps": None}
    behind = (now - swept.joined_until).total_seconds() / 3600
    metrics.add_metric(name=telemetry.RECONCILE_GAPS, unit=MetricUnit.Count, value=len(swept.open))
    metrics.add_metric(name=telemetry.RECONCILE_BEHIND_HOURS, unit=MetricUnit.Count, value=behind)
    named = [" ".join((gap.missing, *gap.photo.version)) for gap in swept.open[:MOST_NAMED]]
    logger.info("joined", gaps=len(swept.open), named=named, versions=swept.versions, behind_hours=round(behind, 2))
    return {"gaps": len(swept.open), "versions": swept.versions, "joined_until": swept.joined_until.isoformat()}
