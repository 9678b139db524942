"""Where things are and what they are called: every name follows from application, account and region.

So a run that was interrupted finds what it made, and teardown finds it without having been told.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

# Ours alone: the application's stack carries `application` too, and teardown must not take that for its own.
OWNER_TAG: Final = "vehiclevision:sagemaker"
VARIANT: Final = "AllTraffic"
# The folder of the bucket in which requests and answers are kept, whoever captures them.
CAPTURES: Final = "capture"
MAX_NAME: Final = 63
MAX_TUNING_NAME: Final = 32
DIGEST_LENGTH: Final = 10
TRAINING_LOG_GROUP: Final = "/aws/sagemaker/TrainingJobs"

Tags = list[dict[str, str]]


@dataclass(frozen=True)
class Site:
    """An application's SageMaker side in one account and region."""

    application: str
    account: str
    region: str
    partition: str = "aws"
    kms_key: str | None = None

    @property
    def tags(self) -> Tags:
        """What everything that we create carries."""
        return [{"Key": OWNER_TAG, "Value": self.application}, {"Key": "application", "Value": self.application}]

    @property
    def foundation(self) -> str:
        """The CloudFormation stack with bucket, roles and image repository."""
        return f"{self.application}-sagemaker"

    @property
    def bucket(self) -> str:
        """Data, code, jobs, models and captured requests."""
        return clipped(f"{self.application}-sagemaker-{self.account}-{self.region}".lower(), MAX_NAME)

    @property
    def repository(self) -> str:
        """The serving image's repository in ECR."""
        return f"{self.application.lower()}-serving"

    @property
    def builder(self) -> str:
        """The CodeBuild project that builds the serving image."""
        return f"{self.application}-serving"

    @property
    def endpoint_log_group(self) -> str:
        """Where the endpoint's containers log."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"

    @property
    def endpoint(self) -> str:
        """The endpoint that the application asks: its parameter EndpointName."""
        return self.application

    @property
    def group(self) -> str:
        """The model package group."""
        return self.application

    @property
    def scaled(self) -> str:
        """What application auto scaling calls the endpoint's variant."""
        return f"endpoint/{self.endpoint}/variant/{VARIANT}"

    def alarm(self, what: str) -> str:
        """An alarm on the endpoint itself."""
        return f"{self.endpoint}-endpoint-{what}"

    def s3(self, key: str) -> str:
        """An address in the bucket."""
        return f"s3://{self.bucket}/{key}"

    def image(self, tag: str) -> str:
        """The serving image of a tag."""
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        return f"{self.account}.dkr.ecr.{self.region}.{suffix}/{self.repository}:{tag}"

    def role(self, what: str) -> str:
        """The role of training jobs (`training`) or of models (`serving`)."""
        return f"arn:{self.partition}:iam::{self.account}:role/{role_name(self, what)}"


@dataclass(frozen=True)
class Aws:
    """A site, and how it is reached."""

    site: Site
    client: Callable[[str], Any]
    tell: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Request:
    """One call of AWS, as data."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As a dry run prints it."""
        return {"service": self.service, "operation": self.operation, "parameters": dict(self.parameters)}


def send(aws: Aws, request: Request) -> Any:
    """Call AWS."""
    return getattr(aws.client(request.service), request.operation)(**request.parameters)


def role_name(site: Site, what: str) -> str:
    """The name of one of our roles; IAM is the same in all regions, so the region is part of it."""
    return clipped(f"{site.application}-sagemaker-{what}-{site.region}", 64)


def clipped(name: str, limit: int) -> str:
    """The name, or its beginning and a hash of it where it is too long; never with a hyphen at its end."""
    if len(name) <= limit:
        return name
    mark = digest(name)
    return f"{name[: limit - len(mark) - 1].rstrip('-')}-{mark}"


def digest(value: Any) -> str:
    """A short hash of plain data, the same in every run."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGEST_LENGTH]
