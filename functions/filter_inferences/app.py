"""Filter inferences: a sure answer goes on with its route, an unsure one raises."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from vehiclevision import telemetry
from vehiclevision.answer import checked
from vehiclevision.decision import decide
from vehiclevision.errors import THRESHOLD_CONFIDENCE_NOT_MET
from vehiclevision.requests import inferences, second_opinion
from vehiclevision.settings import confidence_threshold

logger = Logger()
metrics = Metrics(namespace=telemetry.NAMESPACE)
threshold = confidence_threshold(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Hold the highest confidence against the threshold."""
    telemetry.follow(logger, metrics, event)
    answer, opinion = checked(inferences(event)), second_opinion(event)
    metrics.add_metric(name=telemetry.CONFIDENCE, unit=MetricUnit.NoUnit, value=answer.confidence)
    try:
        decision = decide(answer, threshold, opinion)
    except THRESHOLD_CONFIDENCE_NOT_MET:
        telemetry.count(metrics, telemetry.NEEDS_REVIEW)
        logger.info("needs_review", inferences=list(answer.confidences), threshold=threshold)
        raise
    telemetry.count(metrics, telemetry.CONFIDENT)
    if opinion:
        telemetry.count(metrics, telemetry.SECONDED)
    logger.info("confident", label=decision.label, confidence=decision.confidence)
    return {**event, "label": decision.label, "confidence": decision.confidence, "route": decision.route}
