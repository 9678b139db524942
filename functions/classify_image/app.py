"""Classify image: the model's input in, a confidence for each label out."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.config import Config

from vehiclevision import telemetry
from vehiclevision.errors import VehicleVisionError
from vehiclevision.prediction import predict
from vehiclevision.record import inference_id
from vehiclevision.requests import Picture
from vehiclevision.settings import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, ClassifySettings

logger = Logger()
metrics = Metrics(namespace=telemetry.NAMESPACE)
settings = ClassifySettings.from_environment(os.environ)
runtime = boto3.client(
    "sagemaker-runtime",
    config=Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1},
    ),
)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Ask the endpoint about the picture and add its answer to the event."""
    telemetry.follow(logger, event)
    picture = Picture.from_event(event)
    try:
        prediction = predict(runtime, settings.endpoint_name, picture, _inference_id(event))
    except VehicleVisionError as error:
        telemetry.count(metrics, telemetry.PREDICTION_FAILED)
        logger.warning("prediction_failed", error_name=type(error).__name__, detail=str(error))
        raise
    telemetry.count(metrics, telemetry.PREDICTION_MADE)
    inferences = list(prediction.answer.confidences)
    logger.info("prediction_made", inferences=inferences, model_version=prediction.model_version)
    return {**event, "inferences": inferences, "model_version": prediction.model_version}


def _inference_id(event: dict[str, Any]) -> str | None:
    """The id of the version that the event names; an event made by hand may name none."""
    names = [str(event.get(name) or "") for name in ("s3_bucket", "s3_key", "version_id")]
    return inference_id(*names) if all(names) else None
