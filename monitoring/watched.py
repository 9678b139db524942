"""The application whose endpoint is watched: its parameters, its captures and its baseline."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lifecycle.stacks import Client, or_none
from monitoring.check import baseline_key, baseline_of
from monitoring.drift.baseline import load
from monitoring.errors import BaselineError, SourceError


def capture_settings(client: Client, endpoint: str, stack: Mapping[str, str]) -> dict[str, Any] | None:
    """How the endpoint captures, or for it the application with these parameters; empty if none does.

    None if there is no such endpoint.
    """
    description = _endpoint(client, endpoint)
    if description is None:
        return None
    own: dict[str, Any] = description.get("DataCaptureConfig") or {}
    if own:
        return own
    if not stack.get("CaptureBucketName") or stack.get("EndpointName") != endpoint:
        return {}
    destination = f"s3://{stack['CaptureBucketName']}/{stack['CapturePrefix']}"
    percent = float(stack["CapturePercent"])
    return {"EnableCapture": percent > 0, "DestinationS3Uri": destination, "InitialSamplingPercentage": f"{percent:g}"}


def endpoint_status(client: Client, endpoint: str) -> str | None:
    """SageMaker's word for how the endpoint is; None if there is no such endpoint."""
    description = _endpoint(client, endpoint)
    return None if description is None else str(description["EndpointStatus"])


def captures_of(client: Client, endpoint: str, stack: Mapping[str, str]) -> str:
    """Where the endpoint's captured requests lie; SourceError if it captures none."""
    settings = capture_settings(client, endpoint, stack)
    if settings is None:
        raise SourceError(
            f"There is no endpoint {endpoint[:63]!r}.", "Deploy a model with: vehiclevision sagemaker deploy"
        )
    if not settings.get("DestinationS3Uri"):
        raise SourceError(
            f"The endpoint {endpoint[:63]!r} captures nothing.",
            "Deploy it with: vehiclevision sagemaker deploy --capture 100. For a serverless one the application "
            "does: vehiclevision deploy --aws",
        )
    return f"{settings['DestinationS3Uri'].rstrip('/')}/{endpoint}/"


def put_baseline(
    s3: Any, bucket: str, endpoint: str, given: Path | None, *, shipped: Path, tell: Callable[[str], None]
) -> str:
    """Have a baseline beside the captures; the version of the model that it is of.

    One that is there is of the model that is served, and stays unless another is given or it is an older state of ours.
    """
    try:
        present = baseline_of(s3, bucket, endpoint)
    except BaselineError as error:
        tell(f"{error.message} What is there cannot be used.")
        present = None
    if given is None and present is not None:
        ours = load(shipped) if shipped.exists() else None
        if ours is None or ours.model_version != present.model_version:
            return present.model_version
    path = given or shipped
    baseline = load(path)
    key = baseline_key(endpoint)
    s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ContentType="application/json")
    return baseline.model_version


def _endpoint(client: Client, endpoint: str) -> dict[str, Any] | None:
    # SageMaker has no error code of its own for an endpoint that is not there.
    described = or_none({"ValidationException"}, partial(client("sagemaker").describe_endpoint, EndpointName=endpoint))
    return None if described is None else dict(described)
