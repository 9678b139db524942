"""Put an approved version behind the endpoint, without a gap.

A second fleet starts beside the first, the traffic moves, and an alarm meanwhile takes it back. The exit code is 0 if
the version serves.
"""

from typing import Annotated

import typer

from cli.options import VersionNumber
from cli.sagemaker import Dialogue, KmsKey, Latest, SageMakerAccount, deploy_version, exclusive
from lifecycle import registry
from lifecycle.endpoint import DEFAULT_INSTANCE, Hosting, Serverless


def command(
    *,
    dialogue: Dialogue,
    account: SageMakerAccount,
    latest: Latest = False,
    number: VersionNumber = None,
    instance_type: Annotated[
        str, typer.Option("--instance-type", metavar="TYPE", help="ml.c7g.large and other g types are Graviton.")
    ] = DEFAULT_INSTANCE,
    instances: Annotated[int, typer.Option("--instances", metavar="N", min=1, max=100, help="At least so many.")] = 1,
    max_instances: Annotated[
        int | None,
        typer.Option("--max-instances", metavar="N", min=1, max=100, help="At most so many under load; else one more."),
    ] = None,
    capture: Annotated[
        int, typer.Option("--capture", metavar="PERCENT", min=0, max=100, help="Keep so many of the requests.")
    ] = 100,
    serverless: Annotated[
        bool, typer.Option("--serverless", help="Pay by request; nothing is captured, so drift cannot be watched.")
    ] = False,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MB", min=1024, max=6144, help="serverless only: its memory.")
    ] = 2048,
    kms_key: KmsKey = None,
) -> int:
    """Deploy the newest approved version, or one by its number."""
    exclusive(latest, number)
    most = instances + 1 if max_instances is None else max_instances
    hosting = Hosting(instance_type, instances, most, capture, Serverless(memory) if serverless else None)
    connection = account.connect(kms_key)
    version = registry.deployable(registry.versions(connection.aws), number)
    return deploy_version(connection, dialogue, version, hosting)
