"""Which registered version answers, the one before it, and what was measured of each before it shipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from console.deployed import Deployed
from lifecycle import deploy, registry
from lifecycle.errors import NothingFoundError
from lifecycle.registry import Version
from lifecycle.site import Aws, Site

_METRIC: Final = "metric "


@dataclass(frozen=True)
class Served:
    """The registered version that answers, and the approved one before it; or why there is none."""

    now: Version | None
    before: Version | None
    why: str
    is_serverless: bool
    versions: Sequence[Version]


def served(deployed: Deployed) -> Served:
    """What the endpoint serves now."""
    aws = aws_of(deployed)
    state, versions = deploy.answering(aws), registry.versions(aws)
    try:
        now = deploy.live_version(aws, versions, state)
    except NothingFoundError as error:
        return Served(None, None, f"{error.message} {error.hint}", state.is_serverless, versions)
    try:
        return Served(now, registry.before(versions, now.number), "", state.is_serverless, versions)
    except NothingFoundError as error:
        return Served(now, None, error.message, state.is_serverless, versions)


def measured(version: Version) -> dict[str, dict[str, float]]:
    """What the registry keeps of a version's figures, by set of pictures."""
    figures: dict[str, dict[str, float]] = {}
    for name, value in version.properties.items():
        pictures, _, figure = name.removeprefix(_METRIC).rpartition(" ")
        if name.startswith(_METRIC) and pictures:
            figures.setdefault(pictures, {})[figure] = float(value)
    return figures


def aws_of(deployed: Deployed) -> Aws:
    """SageMaker's side of the application; its account stands in every address."""
    partition, _, region, account = deployed.output("StateMachineArn").split(":")[1:5]
    return Aws(Site(deployed.stack, account, region, partition), deployed.client, lambda text: None)
