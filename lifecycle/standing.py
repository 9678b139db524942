"""What there is of an application's models in an account: endpoint, alarms, versions, training jobs."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lifecycle import deploy, endpoint, foundation, registry
from lifecycle.errors import NothingFoundError
from lifecycle.registry import Version
from lifecycle.site import Aws

JOBS_LISTED: Final = 10


@dataclass(frozen=True)
class Standing:
    """Endpoint, versions and jobs at one moment."""

    application: str
    region: str
    bucket: str | None
    endpoint: str
    endpoint_status: str | None
    serving: Version | None
    captures: bool
    # A serverless endpoint captures nothing: the application does it.
    serverless: bool
    alarms: Mapping[str, str]
    versions: Sequence[Version]
    training_jobs: Sequence[Mapping[str, str]]

    def as_json(self) -> dict[str, Any]:
        """For the next program."""
        return {
            "application": self.application,
            "region": self.region,
            "bucket": self.bucket,
            "endpoint": self.endpoint,
            "endpoint_status": self.endpoint_status,
            "version": self.serving.number if self.serving else None,
            "threshold": self.serving.threshold if self.serving else None,
            "capture": self.captures,
            "serverless": self.serverless,
            "alarms": dict(self.alarms),
            "versions": [version.as_json() for version in self.versions],
            "training_jobs": list(self.training_jobs),
        }


def standing(aws: Aws) -> Standing:
    """What there is now."""
    site, now = aws.site, deploy.answering(aws)
    versions, serving = registry.versions(aws), None
    with contextlib.suppress(NothingFoundError):
        serving = deploy.live_version(aws, versions, now)
    return Standing(
        application=site.application,
        region=site.region,
        bucket=site.bucket if foundation.described(aws) else None,
        endpoint=site.endpoint,
        endpoint_status=now.endpoint["EndpointStatus"] if now.endpoint else None,
        serving=serving,
        captures=bool((now.live or {}).get("DataCaptureConfig", {}).get("EnableCapture")),
        serverless=now.is_serverless,
        alarms=deploy.alarm_states(aws, [*map(site.alarm, endpoint.ALARMS), application_alarm(aws)]),
        versions=versions,
        training_jobs=_jobs(aws),
    )


def application_alarm(aws: Aws) -> str:
    """The alarm of template.yaml that hears what the workflow thinks of the endpoint."""
    return f"{aws.site.application}-endpoint-failing"


def _jobs(aws: Aws) -> list[dict[str, str]]:
    answer = aws.client("sagemaker").list_training_jobs(
        NameContains=aws.site.application, SortBy="CreationTime", SortOrder="Descending", MaxResults=JOBS_LISTED
    )
    return [
        {"name": job["TrainingJobName"], "status": job["TrainingJobStatus"]} for job in answer["TrainingJobSummaries"]
    ]
