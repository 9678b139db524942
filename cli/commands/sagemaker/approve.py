"""Approve a version for deployment, or reject it."""

from dataclasses import replace
from typing import Annotated

from cli.display import output
from cli.options import Reason, RegisteredVersion, flag
from cli.sagemaker import Dialogue, Latest, SageMakerAccount, exclusive, figures
from lifecycle import registry


def command(
    *,
    dialogue: Dialogue,
    account: SageMakerAccount,
    latest: Latest = False,
    name: RegisteredVersion = None,
    reject: Annotated[bool, flag("--reject", "Reject it instead.")] = False,
    reason: Reason = "",
) -> int:
    """Approve a version, or reject it."""
    exclusive(latest, name)
    connection = account.connect()
    version = registry.chosen(registry.versions(connection.aws), name)
    status = registry.REJECTED if reject else registry.APPROVED
    request = registry.approval_request(version, status, reason)
    if dialogue.print_requests:
        return connection.print_requests([request], first=False)
    if not dialogue.as_json:
        output().print(f"Version {version.number}: {figures(version)}")
    dialogue.ask(f"Mark version {version.number} as {status}?")
    if version.status != status:
        connection.aws.client(request.service).update_model_package(**request.parameters)
    words = f"Version {version.number} is {status}."
    following = "" if reject else connection.next("deploy --latest")
    return dialogue.tell(replace(version, status=status).as_json(), words, following)
