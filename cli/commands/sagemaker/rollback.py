"""Put the approved version before the present one back, or one by its number."""

from typing import Annotated

from cli.options import version_option
from cli.sagemaker import Dialogue, KmsKey, SageMakerAccount, deploy_version
from lifecycle import deploy, registry
from lifecycle.standing import application_alarm


def command(
    dialogue: Dialogue,
    account: SageMakerAccount,
    name: Annotated[str | None, version_option("This version, by number or model, instead of the one before.")] = None,
    kms_key: KmsKey = None,
) -> int:
    """Deploy an earlier version as the present one is served."""
    connection = account.connect(kms_key)
    aws = connection.aws
    versions = registry.versions(aws)
    state = deploy.look(aws, application_alarm(aws))
    live = deploy.live_version(aws, versions, state)
    version = registry.before(versions, live.number) if name is None else registry.deployable(versions, name)
    aws.tell(f"From version {live.number}, model {live.model}, back to version {version.number}, model {version.model}")
    return deploy_version(connection, dialogue, version, deploy.hosting_of(aws, state))
