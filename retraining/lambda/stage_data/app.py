"""Stage data: retrain now or not, and with what."""

import os
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from retraining.settings import StackParameters, connected
from retraining.staging import Trigger, stage

logger = Logger()
settings = StackParameters.from_environment(os.environ)
aws = connected(settings, logger.info)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Say whether to go on, and write the training job."""
    trigger = Trigger(event["execution"], event["state_machine"], datetime.fromisoformat(event["began"]))
    plan = stage(settings, aws, trigger)
    logger.info("staged", go=plan["go"], code=plan.get("code"), labels=plan["labels"])
    return plan
