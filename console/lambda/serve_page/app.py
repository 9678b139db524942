"""Serve page: the page, and the interface for partners' systems, to whoever API Gateway hands on."""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import urllib3
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from mangum import Mangum

from console.errors import ConsoleError
from console.shared import make_shared
from console.sign_in import NobodyError
from serve_page import settings
from vehiclevision.refusal import Refusal

ASK_SECONDS: Final = 5.0
MOST_ANSWER_BYTES: Final = 256 * 1024

logger = Logger()
http = urllib3.PoolManager(timeout=ASK_SECONDS, retries=False)


def ask(address: str, form: Mapping[str, str] | None) -> Any:
    """Cognito's answer, in JSON; NobodyError where it refuses or does not answer."""
    try:
        answer = http.request(
            "POST" if form else "GET", address, fields=form, encode_multipart=False, preload_content=False
        )
        body = answer.read(MOST_ANSWER_BYTES)
        answer.release_conn()
        if answer.status == 200:
            return json.loads(body)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise NobodyError("The sign-in does not answer right now.", "Try again in a minute.") from error
    raise NobodyError("The sign-in was refused.", "Begin again.")


def explain(error: Exception) -> Refusal | None:
    """Words for an error of AWS, which is logged with its own; None for a fault of our own."""
    if not isinstance(error, ClientError | BotoCoreError):
        return None
    logger.warning("aws_refused", error=str(error))
    return ConsoleError("AWS does not answer that right now.", "Try again in a minute, or tell whoever runs this.")


page = Mangum(
    make_shared(settings.application(os.environ), settings.pool(os.environ), ask, explain),
    lifespan="off",
    text_mime_types=["text/", "application/json", "image/svg+xml"],
)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request that came to API Gateway."""
    return page(event, context)
