"""Put an approved version behind the endpoint, without a gap.

A second fleet starts beside the first, the traffic moves, and an alarm meanwhile takes it back. The exit code is 0 if
the version serves.
"""

from typing import Annotated

from cli.options import RegisteredVersion, flag, option
from cli.sagemaker import Dialogue, KmsKey, Latest, SageMakerAccount, deploy_version, exclusive
from lifecycle import registry
from lifecycle.endpoint import DEFAULT_INSTANCE, Hosting, Serverless


def command(
    *,
    dialogue: Dialogue,
    account: SageMakerAccount,
    latest: Latest = False,
    name: RegisteredVersion = None,
    instance_type: Annotated[
        str, option("--instance-type", "TYPE", "ml.c7g.large and other g types are Graviton.")
    ] = DEFAULT_INSTANCE,
    instances: Annotated[int, option("--instances", "N", "At least so many.", min=1, max=100)] = 1,
    max_instances: Annotated[
        int | None, option("--max-instances", "N", "At most so many under load; else one more.", min=1, max=100)
    ] = None,
    capture: Annotated[int, option("--capture", "PERCENT", "Keep so many of the requests.", min=0, max=100)] = 100,
    serverless: Annotated[
        bool, flag("--serverless", "Pay by request; the application captures then: deploy --aws tells it to.")
    ] = False,
    memory: Annotated[int, option("--memory", "MB", "serverless only: its memory.", min=1024, max=6144)] = 2048,
    kms_key: KmsKey = None,
) -> int:
    """Deploy the newest approved version, or one by its number or its model."""
    exclusive(latest, name)
    most = instances + 1 if max_instances is None else max_instances
    hosting = Hosting(instance_type, instances, most, capture, Serverless(memory) if serverless else None)
    connection = account.connect(kms_key)
    version = registry.deployable(registry.versions(connection.aws), name)
    return deploy_version(connection, dialogue, version, hosting)
