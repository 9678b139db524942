"""SageMaker's side of the local AWS from the first start: its bucket, into which the default endpoint captures.

It is the stack that `vehiclevision sagemaker` makes, so that captures lie where they lie in AWS.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from lifecycle import foundation
from lifecycle.site import Aws, Site, send
from local import deploy
from local.place import REGION
from local.sagemaker.control.names import ACCOUNT

SITE = Site(deploy.VEHICLEVISION.stack, ACCOUNT, REGION)


def ensure(environment: Mapping[str, str]) -> None:
    """Ask for the stack unless there is one; it is made while the caller goes on."""

    @cache
    def client(service: str) -> Any:
        return deploy.client(service, environment)

    aws = Aws(SITE, client, lambda _: None)
    if foundation.described(aws) is None:
        send(aws, foundation.request(SITE))
