"""Whether the endpoint that an application asks answers, for commands whose photos would wait in vain."""

from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.display import typed
from cli.target import Target
from monitoring import watched

# While SageMaker changes an endpoint, the version before goes on answering.
ANSWERING: Final = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})


@dataclass(frozen=True)
class Endpoint:
    """The endpoint of an application; without a status there is none of that name."""

    name: str
    status: str | None
    deploy: str

    @property
    def trouble(self) -> str:
        """Why no photo can be classified now, and what helps; empty while it answers."""
        if self.status in ANSWERING:
            return ""
        state = f"The endpoint {self.name} is {self.status}" if self.status else f"There is no endpoint {self.name}"
        return f"{state}: photos wait for it, and end as FAILED if that lasts. Deploy a model: {self.deploy}"


def endpoint_of(target: Target) -> Endpoint | None:
    """What SageMaker says of the application's endpoint; None where it does not say."""
    name = target.outputs.get("EndpointName")
    if name is None:
        return None
    try:
        status = watched.endpoint_status(target.client, name)
    except (ClientError, BotoCoreError):
        return None
    options = "" if target.is_local else f" --aws --region {target.region}"
    return Endpoint(name, status, f"{typed()} sagemaker deploy --latest{options}")
