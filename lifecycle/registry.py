"""The model registry: a group, and a version for each model, with what it is and how good it is.

A version names one artefact by its hash, so the same model is registered once, however often a run is repeated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from lifecycle.errors import NothingFoundError, SageMakerStepError
from lifecycle.images import BUILTIN
from lifecycle.site import Aws, Request, Site, send
from lifecycle.stacks import or_none
from vehiclevision.labels import LABELS
from vehiclevision.storage import listed

PENDING: Final = "PendingManualApproval"
APPROVED: Final = "Approved"
REJECTED: Final = "Rejected"
CONTENT_TYPES: Final = ["image/jpeg", "image/png", "application/x-image"]
# What SageMaker's console offers for it; any other type of these families serves as well.
X86_INSTANCES: Final = ["ml.m5.large", "ml.m5.xlarge", "ml.c5.large", "ml.c5.xlarge"]
GRAVITON_INSTANCES: Final = ["ml.m6g.large", "ml.m6g.xlarge", "ml.c6g.large", "ml.c7g.large", "ml.c7g.xlarge"]
MAX_PROPERTY: Final = 256
# How SageMaker says that there is nothing of that name; a describe call has no other use for the first of them.
MISSING: Final = frozenset({"ValidationException", "ResourceNotFound", "ResourceNotFoundException", "ValidationError"})


@dataclass(frozen=True)
class Candidate:
    """A model that may be registered."""

    algorithm: str
    image: str
    model_url: str
    model_sha256: str
    data_hash: str = ""
    code_revision: str = ""
    threshold: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluation_url: str = ""
    training_job: str = ""
    model_version: str = ""


@dataclass(frozen=True)
class Version:
    """A registered version."""

    number: int
    arn: str
    status: str
    properties: Mapping[str, str]
    image: str = ""
    model_url: str = ""
    created: str = ""

    @property
    def model_sha256(self) -> str:
        """The artefact's hash."""
        return self.properties.get("model_sha256", "")

    @property
    def model(self) -> str:
        """The model's name, which is in records and on pages too; a model of the built-in algorithm has no other."""
        return self.properties.get("model_version") or self.model_sha256[:12]

    @property
    def algorithm(self) -> str:
        """What trained it."""
        return self.properties.get("algorithm", "")

    @property
    def labels(self) -> str:
        """The labels that it tells apart, in their order; releases before this one did not say."""
        return self.properties.get("labels", "")

    @property
    def threshold(self) -> float | None:
        """The confidence that the model was measured for; the built-in algorithm has none."""
        text = self.properties.get("threshold", "")
        return float(text) if text else None

    def as_json(self) -> dict[str, Any]:
        """For the next program."""
        names = ("status", "arn", "model_url", "image", "created")
        return {"version": self.number, **{name: getattr(self, name) for name in names}, **self.properties}


def group_request(site: Site) -> Request:
    """The group that holds all versions."""
    return Request(
        "sagemaker",
        "create_model_package_group",
        {
            "ModelPackageGroupName": site.group,
            "ModelPackageGroupDescription": "Tells vehicles in photos apart",
            "Tags": site.tags,
        },
    )


def version_request(site: Site, candidate: Candidate) -> Request:
    """A new version, which waits for approval. AWS takes no tags on a version: it has its group's."""
    container = {"Image": candidate.image, "ModelDataUrl": candidate.model_url}
    graviton = [] if candidate.algorithm == BUILTIN else GRAVITON_INSTANCES
    parameters: dict[str, Any] = {
        "ModelPackageGroupName": site.group,
        "ModelPackageDescription": f"{candidate.algorithm} {candidate.model_version}".strip(),
        "ModelApprovalStatus": PENDING,
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": CONTENT_TYPES,
            "SupportedResponseMIMETypes": ["application/json"],
            "SupportedRealtimeInferenceInstanceTypes": [*X86_INSTANCES, *graviton],
        },
        "CustomerMetadataProperties": properties(candidate),
        "Domain": "COMPUTER_VISION",
        "Task": "IMAGE_CLASSIFICATION",
        "SkipModelValidation": "All",
    }
    if candidate.evaluation_url:
        statistics = {"ContentType": "application/json", "S3Uri": candidate.evaluation_url}
        parameters["ModelMetrics"] = {"ModelQuality": {"Statistics": statistics}}
    return Request("sagemaker", "create_model_package", parameters)


def properties(candidate: Candidate) -> dict[str, str]:
    """What the version says about itself, as short texts."""
    texts = {
        "algorithm": candidate.algorithm,
        "model_version": candidate.model_version,
        "model_sha256": candidate.model_sha256,
        "data_hash": candidate.data_hash,
        "code_revision": candidate.code_revision,
        "training_job": candidate.training_job,
        "labels": " ".join(LABELS),
        "threshold": "" if candidate.threshold is None else str(candidate.threshold),
        **{f"metric {name}": f"{value:.4f}" for name, value in candidate.metrics.items()},
    }
    return {name: value[:MAX_PROPERTY] for name, value in texts.items() if value}


def metrics(by_pictures: Mapping[str, Any]) -> dict[str, float]:
    """The few figures of a manifest's metrics that tell versions apart, by set of pictures."""
    few = {}
    for pictures, figures in by_pictures.items():
        for name in ("accuracy", "coverage", "accuracy_covered", "neither_passed"):
            value = figures.get(name) if isinstance(figures, dict) else None
            value = value.get("share") if isinstance(value, dict) else value
            if isinstance(value, int | float) and not isinstance(value, bool):
                few[f"{pictures} {name}"] = float(value)
    return few


def approval_request(version: Version, status: str, reason: str) -> Request:
    """Approve or reject a version."""
    parameters = {
        "ModelPackageArn": version.arn,
        "ModelApprovalStatus": status,
        "ApprovalDescription": reason[:1024],
    }
    return Request("sagemaker", "update_model_package", parameters)


def register(aws: Aws, candidate: Candidate) -> Version:
    """The version of this model: the one that exists, or a new one."""
    ensure_group(aws)
    for version in versions(aws):
        if version.model_sha256 == candidate.model_sha256 and version.image == candidate.image:
            return version
    answer = send(aws, version_request(aws.site, candidate))
    return describe(aws, answer["ModelPackageArn"])


def ensure_group(aws: Aws) -> None:
    """Make the group unless it is there."""
    if not group_exists(aws):
        send(aws, group_request(aws.site))


def group_exists(aws: Aws) -> bool:
    """Whether the group is there."""
    name = aws.site.group
    return described_or_none(aws, "describe_model_package_group", ModelPackageGroupName=name) is not None


def versions(aws: Aws) -> list[Version]:
    """All versions, newest first."""
    if not group_exists(aws):
        return []
    group = {"ModelPackageGroupName": aws.site.group}
    packages = listed(aws.client("sagemaker"), "list_model_packages", "ModelPackageSummaryList", **group)
    return sorted((describe(aws, each["ModelPackageArn"]) for each in packages), key=lambda version: -version.number)


def describe(aws: Aws, arn: str) -> Version:
    """One version."""
    package = aws.client("sagemaker").describe_model_package(ModelPackageName=arn)
    container = package.get("InferenceSpecification", {}).get("Containers", [{}])[0]
    return Version(
        number=int(package["ModelPackageVersion"]),
        arn=package["ModelPackageArn"],
        status=package["ModelApprovalStatus"],
        properties=package.get("CustomerMetadataProperties", {}),
        image=container.get("Image", ""),
        model_url=container.get("ModelDataUrl", ""),
        created=str(package.get("CreationTime", ""))[:19],
    )


def chosen(versions: list[Version], name: str | None) -> Version:
    """The version of that number, or of the model of that name, or the newest."""
    if not versions:
        raise NothingFoundError(
            "No model is registered yet.", "Register one with: vehiclevision sagemaker register --latest"
        )
    if name is None:
        return versions[0]
    for version in versions:
        if name in (str(version.number), version.model):
            return version
    known = ", ".join(f"{version.number} ({version.model})" for version in reversed(versions))
    raise NothingFoundError("There is no such version.", f"There are: {known}.")


def deployable(versions: list[Version], name: str | None) -> Version:
    """The version of that name, or the newest approved one; only approved versions are deployed."""
    if name is None:
        approved = [version for version in versions if version.status == APPROVED]
        if versions and not approved:
            raise SageMakerStepError(
                "No registered version is approved.",
                "Look at one and approve it: vehiclevision sagemaker approve --latest",
            )
        return chosen(approved, None)
    version = chosen(versions, name)
    if version.status != APPROVED:
        raise SageMakerStepError(
            f"Version {version.number} is {version.status}, not Approved.",
            f"Approve it with: vehiclevision sagemaker approve --version {version.number}",
        )
    return version


def newest_approved(versions: list[Version], algorithm: str) -> Version | None:
    """The newest approved version that this algorithm trained."""
    fit = (version for version in versions if version.algorithm == algorithm and version.status == APPROVED)
    return next(fit, None)


def before(versions: list[Version], current: int) -> Version:
    """The approved version to go back to from the current one."""
    earlier = [version for version in versions if version.number < current and version.status == APPROVED]
    if not earlier:
        raise NothingFoundError(
            f"There is no approved version before {current}.", "Name another with --version, or deploy a new one."
        )
    return earlier[0]


def described_or_none(aws: Aws, operation: str, **parameters: str) -> Any:
    """SageMaker's description of something, or None where there is nothing of that name."""
    return or_none(MISSING, partial(getattr(aws.client("sagemaker"), operation), **parameters))


def tags_of(aws: Aws, arn: str) -> dict[str, str]:
    """A SageMaker resource's tags."""
    return {tag["Key"]: tag["Value"] for tag in listed(aws.client("sagemaker"), "list_tags", "Tags", ResourceArn=arn)}


def evaluation(candidate_metrics: Mapping[str, Any]) -> bytes:
    """The metrics file beside a registered model."""
    return json.dumps(candidate_metrics, indent=1, sort_keys=True).encode()
