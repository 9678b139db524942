"""ARNs of the local account."""

import time

from local.place import REGION

ACCOUNT = "000000000000"
# Kinds of records, which are also the kinds in their ARNs.
TRAINING_JOB = "training-job"
TUNING_JOB = "hyper-parameter-tuning-job"
MODEL = "model"
ENDPOINT_CONFIG = "endpoint-config"
ENDPOINT = "endpoint"
PACKAGE_GROUP = "model-package-group"
PACKAGE = "model-package"
TAGGED_KINDS = (TRAINING_JOB, TUNING_JOB, MODEL, ENDPOINT_CONFIG, ENDPOINT, PACKAGE_GROUP, PACKAGE)


def arn(kind: str, name: str) -> str:
    """The ARN of a resource; SageMaker writes names in lower case there, and so takes no two that differ in case."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name.lower()}"


def key(name_or_arn: str) -> str:
    """What a record is kept under, from its name or its ARN."""
    return name_or_arn.split("/", 1)[-1].lower() if name_or_arn.startswith("arn:") else name_or_arn.lower()


def now() -> float:
    """The time as records keep it: seconds with milliseconds, as AWS sends it."""
    return round(time.time(), 3)
