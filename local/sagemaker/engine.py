"""What the runtime has of the engine beside it: where captured data goes, and who counts."""

from functools import cache
from pathlib import Path
from typing import Any


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
