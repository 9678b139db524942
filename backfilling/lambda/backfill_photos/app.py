"""Backfill photos: one batch of them in, how many are in each state out."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from backfilling.batch import Batch, Parts, work_off
from vehiclevision.results import ResultsTable

# What is left of the function's time is for looking at the stragglers, and for the answer.
SECONDS_LEFT = 30.0

logger = Logger()
# Whoever is throttled backs off: today's uploads come first.
retrying = Config(retries={"mode": "adaptive", "total_max_attempts": 8})
parts = Parts(
    s3=boto3.client("s3", config=retrying),
    step_functions=boto3.client("stepfunctions", config=retrying),
    cloudwatch=boto3.client("cloudwatch", config=retrying),
    results=ResultsTable(boto3.client("dynamodb", config=retrying), os.environ["RESULTS_TABLE"]),
    state_machine=os.environ["STATE_MACHINE_ARN"],
    upload_bucket=os.environ["UPLOAD_BUCKET"],
    alarms=os.environ["ALARMS"].split(","),
)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work off what there is time for; the state machine asks again for the rest."""
    batch = Batch.from_event(event)
    counted = work_off(parts, batch, lambda: context.get_remaining_time_in_millis() / 1000 - SECONDS_LEFT)
    logger.info("batch", bucket=batch.bucket, photos=len(batch.keys), **counted.to_json())
    return counted.to_json()
