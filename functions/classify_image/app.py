"""Classify image: the model's input in, a confidence for each label out."""

import os
from datetime import UTC, datetime
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vehiclevision import capture, telemetry
from vehiclevision.decision import worth_asking
from vehiclevision.errors import VehicleVisionError
from vehiclevision.opinion import Bedrock, Rekognition, Service
from vehiclevision.prediction import Prediction, predict
from vehiclevision.record import inference_id
from vehiclevision.requests import Picture
from vehiclevision.settings import (
    CAPTURE_CONNECT_SECONDS,
    CAPTURE_READ_SECONDS,
    CONNECT_TIMEOUT_SECONDS,
    OPINION_CONNECT_SECONDS,
    OPINION_READ_SECONDS,
    READ_TIMEOUT_SECONDS,
    REKOGNITION,
    ClassifySettings,
)

logger = Logger()
metrics = Metrics(namespace=telemetry.NAMESPACE)
settings = ClassifySettings.from_environment(os.environ)


def _once(connect_seconds: float, read_seconds: float) -> Config:
    """How a service is asked once, and not for long."""
    retries: Any = {"total_max_attempts": 1}
    return Config(connect_timeout=connect_seconds, read_timeout=read_seconds, retries=retries)


runtime = boto3.client("sagemaker-runtime", config=_once(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS))
# Its import and client cost a cold start time, so it is made only where the function captures.
s3 = settings.capture and boto3.client("s3", config=_once(CAPTURE_CONNECT_SECONDS, CAPTURE_READ_SECONDS))


def _service(name: str) -> Service:
    """Who is asked where the model is in doubt."""
    config = _once(OPINION_CONNECT_SECONDS, OPINION_READ_SECONDS)
    if name == REKOGNITION:
        return Rekognition(boto3.client("rekognition", config=config))
    return Bedrock(boto3.client("bedrock-runtime", config=config), name.partition(":")[2])


service = settings.doubt and _service(settings.doubt.service)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Ask the endpoint about the picture and add its answer to the event."""
    telemetry.follow(logger, metrics, event)
    picture, named = Picture.from_event(event), _inference_id(event)
    try:
        prediction = predict(runtime, settings.endpoint_name, picture, named)
    except VehicleVisionError as error:
        telemetry.count(metrics, telemetry.PREDICTION_FAILED)
        logger.warning("prediction_failed", error_name=type(error).__name__, detail=str(error))
        raise
    telemetry.count(metrics, telemetry.PREDICTION_MADE)
    if named:
        _keep(picture, prediction, named)
    inferences = list(prediction.answer.confidences)
    logger.info("prediction_made", inferences=inferences, model_version=prediction.model_version)
    said = _second_opinion(picture, prediction)
    return {**event, "inferences": inferences, "model_version": prediction.model_version, **said}


def _second_opinion(picture: Picture, prediction: Prediction) -> dict[str, Any]:
    """What somebody else says of a doubtful photo; without any use of it, all goes on as if nobody had been asked."""
    if not settings.doubt or not service or not worth_asking(prediction.answer, settings.doubt.threshold):
        return {}
    try:
        said = service.ask(picture.content)
        trouble = said.unusable
    except (ClientError, BotoCoreError) as error:
        trouble = f"{type(error).__name__}: {error}"[:300]
    if trouble:
        telemetry.count(metrics, telemetry.SECOND_OPINION_FAILED)
        logger.warning("no_second_opinion", by=service.name, detail=trouble)
        return {}
    label, confidence = said.opinion
    logger.info("second_opinion", by=service.name, label=label, confidence=confidence, milliseconds=said.milliseconds)
    return {"second_opinion": {"by": service.name, "label": label, "confidence": confidence}}


def _keep(picture: Picture, prediction: Prediction, named: str) -> None:
    """Capture the answer where that is wanted; what cannot be captured is counted, and the answer counts."""
    if not settings.capture or not s3:
        return
    exchange = capture.Exchange(settings.endpoint_name, picture, prediction, named, datetime.now(UTC))
    try:
        capture.keep(s3, settings.capture, exchange)
    except capture.NotCapturedError as error:
        telemetry.count(metrics, telemetry.CAPTURE_FAILED)
        logger.warning("not_captured", detail=str(error))


def _inference_id(event: dict[str, Any]) -> str | None:
    """The id of the version that the event names; an event made by hand may name none."""
    names = [str(event.get(name) or "") for name in ("s3_bucket", "s3_key", "version_id")]
    return inference_id(*names) if all(names) else None
