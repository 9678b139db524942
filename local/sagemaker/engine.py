"""What the runtime has of the engine beside it: where captured data goes, and who counts."""

from functools import cache
from pathlib import Path
from typing import Any


def call(directory: Path, service: str, operation: str, **request: Any) -> None:
    """Ask a service of the engine for something; OSError when it does not do it."""
    from local.sagemaker.control import aws  # noqa: PLC0415 - botocore, which serving needs for nothing else

    try:
        getattr(_engine(directory).client(service), operation)(**request)
    except aws.FAULTS as error:
        raise OSError(str(error)) from error


@cache
def _engine(directory: Path) -> Any:
    from local.sagemaker.control import aws  # noqa: PLC0415 - the same

    return aws.Engine(directory)
