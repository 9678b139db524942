"""Put the approved version before the present one back, or one by its number."""

from typing import Annotated

from cli.options import option
from cli.sagemaker import Dialogue, KmsKey, SageMakerAccount, deploy_version
from lifecycle import deploy, registry
from lifecycle.standing import application_alarm


def command(
    dialogue: Dialogue,
    account: SageMakerAccount,
    number: Annotated[int | None, option("--version", "N", "This version instead of the one before.", min=1)] = None,
    kms_key: KmsKey = None,
) -> int:
    """Deploy an earlier version as the present one is served."""
    connection = account.connect(kms_key)
    aws = connection.aws
    versions = registry.versions(aws)
    state = deploy.look(aws, application_alarm(aws))
    live = deploy.live_version(aws, versions, state)
    version = registry.before(versions, live.number) if number is None else registry.deployable(versions, number)
    aws.tell(f"From version {live.number} back to version {version.number}")
    return deploy_version(connection, dialogue, version, deploy.hosting_of(aws, state))
