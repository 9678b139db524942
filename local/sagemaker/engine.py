"""What the runtime has of the engine beside it: who may ask, where captured data goes, and who counts."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local import credentials, processes
from local.credentials import SESSION_PREFIX
from local.engine import process as engine
from local.processes import HOST

PATH = "/_vehiclevision/refusal"
ASK_SECONDS = 10.0

# In AWS's words, why a key may not ask an operation with these parameters; None if it may. OSError: nobody knows.
Refusal = Callable[[str, str, Mapping[str, str]], str | None]


def address(directory: Path) -> str:
    """Where a state folder's engine listens; its record outlives it, so a call to a stopped engine fails as a call."""
    return f"http://{HOST}:{processes.read_json(engine.server(directory).record).get('port', 1)}"


def refusal_of(directory: Path) -> Refusal:
    """Asks the engine of a state folder about a function's key; the root user may do everything."""
    own = {"Authorization": f"Bearer {credentials.of(directory).secret_access_key}"}

    def refusal(key: str, operation: str, request: Mapping[str, str]) -> str | None:
        if not key.startswith(SESSION_PREFIX):
            return None
        body = json.dumps({"key": key, "operation": operation, "request": request}).encode()
        asked = urllib.request.Request(f"{address(directory)}{PATH}", body, own, method="POST")  # noqa: S310 - our own
        with urllib.request.urlopen(asked, timeout=ASK_SECONDS) as answer:  # noqa: S310 - our own http address
            reason = json.load(answer)["refusal"]
        return None if reason is None else str(reason)

    return refusal


def put_object(directory: Path, bucket: str, key: str, body: bytes) -> None:
    """Write an object into the engine's S3; OSError when it cannot."""
    _call(directory, "s3", "put_object", Bucket=bucket, Key=key, Body=body)


def put_metrics(directory: Path, namespace: str, metrics: list[dict[str, Any]]) -> None:
    """Tell the engine's CloudWatch; OSError when it does not answer."""
    _call(directory, "cloudwatch", "put_metric_data", Namespace=namespace, MetricData=metrics)


def _call(directory: Path, service: str, operation: str, **request: Any) -> None:
    from local.sagemaker.control import aws  # noqa: PLC0415 - botocore, which serving needs for nothing else

    try:
        getattr(_engine(directory).client(service), operation)(**request)
    except aws.FAULTS as error:
        raise OSError(str(error)) from error


@cache
def _engine(directory: Path) -> Any:
    from local.sagemaker.control import aws  # noqa: PLC0415 - the same

    return aws.Engine(directory)
