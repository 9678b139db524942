"""Settings of the page in AWS, read from the environment once, at cold start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from console.deployed import Deployed
from console.sign_in import Pool
from vehiclevision.settings import CONNECT_TIMEOUT_SECONDS, required

# API Gateway waits 30 seconds: with two tries each call ends within that.
READ_TIMEOUT_SECONDS = 8
OUTPUTS = (
    *("BucketName", "ResultsTableName", "EventBusName", "StateMachineArn", "FilterInferencesFunctionName"),
    "EndpointName",
    *("SerializeImageLogGroup", "ClassifyImageLogGroup", "FilterInferencesLogGroup"),
)


@dataclass(frozen=True)
class Application(Deployed):
    """The application that the page shows, by the outputs of its stack."""

    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of the named service, made once."""
        if service not in self._clients:
            config = Config(
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 2, "mode": "standard"},
                signature_version="s3v4" if service == "s3" else None,
            )
            session: Any = boto3.session.Session(region_name=self.region)
            self._clients[service] = session.client(service, config=config)
        return self._clients[service]


def application(environment: Mapping[str, str]) -> Application:
    """The application that the environment names, by its stack and by the outputs of it."""
    outputs = {name: required(environment, _variable(name)) for name in OUTPUTS}
    return Application(required(environment, "APPLICATION"), required(environment, "AWS_REGION"), outputs)


def pool(environment: Mapping[str, str]) -> Pool:
    """Where people sign in."""
    return Pool(
        client_id=required(environment, "CLIENT_ID"),
        issuer=required(environment, "ISSUER"),
        keys_address=required(environment, "ISSUER") + "/.well-known/jwks.json",
        domain=required(environment, "SIGN_IN_ADDRESS"),
        address=required(environment, "PAGE_ADDRESS"),
    )


def _variable(output: str) -> str:
    """BucketName is BUCKET_NAME."""
    return "".join(f"_{char}" if char.isupper() else char.upper() for char in output).lstrip("_")
