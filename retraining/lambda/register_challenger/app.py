"""Register challenger: what the comparison came to, and with a better model all that deploys it."""

import os
from typing import Any

from aws_lambda_powertools import Logger

from retraining.registering import register
from retraining.settings import StackParameters, connected

logger = Logger()
settings = StackParameters.from_environment(os.environ)
aws = connected(settings, logger.info)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Read the job's comparison, and register what it accepts."""
    decision = register(settings, aws, event["training_job"])
    logger.info("compared", accepted=decision["accepted"], code=decision["code"], version=decision.get("version"))
    return decision
