"""Model, endpoint configuration, endpoint, alarms and scaling, as requests.

Names follow from the version and the settings: the same deployment is the same name, so a repeated run changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.errors import SageMakerStepError
from lifecycle.images import BUILTIN
from lifecycle.registry import MAX_PROPERTY, Version
from lifecycle.site import CAPTURES, MAX_NAME, VARIANT, Request, Site, clipped, digest
from vehiclevision.labels import LABELS

DEFAULT_INSTANCE: Final = "ml.m5.xlarge"
# How long a container may take to answer /ping; AWS's own limit is four minutes for most of its containers.
STARTUP_SECONDS: Final = 240
# How long traffic is watched on the new fleet, and how long the old one is kept after that.
BAKE_SECONDS: Final = 300
KEEP_OLD_SECONDS: Final = 120
UPDATE_SECONDS: Final = 3600
# One prediction takes milliseconds; at this rate an ml.m5.xlarge is far from busy, and a burst has room.
INVOCATIONS_PER_MINUTE: Final = 3000
LOG_RETENTION_DAYS: Final = 30
SCALABLE: Final = "sagemaker:variant:DesiredInstanceCount"
SCALING_POLICY: Final = "invocations"
# Data capture keeps other types in base64, pictures above all.
JSON_TYPES: Final = ["application/json"]
ALARMS: Final = ("errors", "latency")
GRAVITON_FAMILIES: Final = frozenset(
    {"m6g", "m6gd", "c6g", "c6gn", "c6gd", "r6g", "r6gd", "m7g", "c7g", "r7g", "m8g", "c8g", "r8g"}
)


@dataclass(frozen=True)
class Serverless:
    """Pay by request; SageMaker captures nothing, so the application does."""

    memory_mb: int = 2048
    max_concurrency: int = 5


@dataclass(frozen=True)
class Hosting:
    """How a version is to be served."""

    instance_type: str = DEFAULT_INSTANCE
    instances: int = 1
    max_instances: int = 2
    capture_percent: int = 100
    serverless: Serverless | None = None


@dataclass(frozen=True)
class Names:
    """What one deployment's parts are called."""

    model: str
    config: str


def architecture(instance_type: str) -> str:
    """The processor that the image must be built for."""
    family = instance_type.removeprefix("ml.").partition(".")[0]
    return "arm64" if family in GRAVITON_FAMILIES else "x86_64"


def check(version: Version, hosting: Hosting) -> None:
    """Refuse what AWS would refuse later, or would take and never start, and a model for other vehicles."""
    labels = " ".join(LABELS)[:MAX_PROPERTY]
    if version.labels not in ("", labels):
        raise SageMakerStepError(
            f"Version {version.number} tells {version.labels} apart, and vehicles.toml names {labels}.",
            "Train and register a model for these, or write vehicles.toml as it was.",
        )
    processor = "x86_64" if hosting.serverless is not None else architecture(hosting.instance_type)
    if version.algorithm == BUILTIN and processor == "arm64":
        raise SageMakerStepError(
            "The built-in algorithm's container does not run on Graviton.",
            f"Deploy it on {DEFAULT_INSTANCE}, or a version that `own` trained on {hosting.instance_type}.",
        )
    if version.algorithm != BUILTIN and version.image.endswith("arm64") != (processor == "arm64"):
        raise SageMakerStepError(
            f"Version {version.number} is registered with an image for another processor than {processor}.",
            f"Register it for that one too: vehiclevision sagemaker register --architecture {processor}",
        )
    if hosting.max_instances < hosting.instances:
        raise SageMakerStepError(
            f"{hosting.max_instances} instances at most are fewer than {hosting.instances} at least.",
            "Raise --max-instances.",
        )


def names(site: Site, version: Version, hosting: Hosting) -> Names:
    """The names of model and configuration."""
    made_of = [version.arn, version.image, *(["serverless"] if hosting.serverless is not None else [])]
    model = clipped(f"{site.application}-v{version.number}-{digest(made_of)}", MAX_NAME)
    settings = [model, _variant(model, hosting), capture(site, hosting), site.kms_key]
    return Names(model, clipped(f"{site.application}-v{version.number}-{digest(settings)}", MAX_NAME))


def model_request(site: Site, version: Version, model: str, hosting: Hosting) -> Request:
    """The model, from its registered version."""
    isolated = hosting.serverless is None
    return Request(
        "sagemaker",
        "create_model",
        {
            "ModelName": model,
            "PrimaryContainer": {"ModelPackageName": version.arn},
            "ExecutionRoleArn": site.role("serving"),
            # The container needs nothing but its model; serverless endpoints know no isolation.
            "EnableNetworkIsolation": isolated,
            "Tags": site.tags,
        },
    )


def config_request(site: Site, names: Names, hosting: Hosting) -> Request:
    """The endpoint configuration."""
    parameters: dict[str, Any] = {
        "EndpointConfigName": names.config,
        "ProductionVariants": [_variant(names.model, hosting)],
        "Tags": site.tags,
    }
    captured = capture(site, hosting)
    if captured is not None:
        parameters["DataCaptureConfig"] = captured
    # Serverless endpoints take a key too, but have no volume of ours to encrypt.
    if site.kms_key and hosting.serverless is None:
        parameters["KmsKeyId"] = site.kms_key
    return Request("sagemaker", "create_endpoint_config", parameters)


def endpoint_request(site: Site, config: str) -> Request:
    """The endpoint, for the first time."""
    parameters = {"EndpointName": site.endpoint, "EndpointConfigName": config, "Tags": site.tags}
    return Request("sagemaker", "create_endpoint", parameters)


def update_request(site: Site, config: str, hosting: Hosting, alarms: Sequence[str], live: int | None) -> Request:
    """The endpoint from one configuration to another: a second fleet beside the first, then the traffic, then the end
    of the first; an alarm meanwhile takes the traffic back. `live` instances serve now, None where it is serverless:
    there AWS changes the model by its own means, and no alarm takes it back."""
    parameters: dict[str, Any] = {"EndpointName": site.endpoint, "EndpointConfigName": config}
    if hosting.serverless is None and live is not None:
        if hosting.instances <= live <= hosting.max_instances:
            # What auto scaling has come to is kept.
            parameters["RetainAllVariantProperties"] = True
        parameters["DeploymentConfig"] = deployment(min(live, hosting.instances), alarms)
    return Request("sagemaker", "update_endpoint", parameters)


def deployment(instances: int, alarms: Sequence[str]) -> dict[str, Any]:
    """Blue/green: one instance first where both fleets have several, else all at once; watched, taken back on alarm."""
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": BAKE_SECONDS}
    # A canary may be half of the fleet at most.
    if instances >= 2:
        routing = {**routing, "Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}}
    config: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": KEEP_OLD_SECONDS,
            "MaximumExecutionTimeoutInSeconds": UPDATE_SECONDS,
        }
    }
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def capture(site: Site, hosting: Hosting) -> dict[str, Any] | None:
    """What is kept of requests and answers; serverless endpoints keep nothing."""
    if hosting.serverless is not None:
        return None
    config: dict[str, Any] = {
        "EnableCapture": hosting.capture_percent > 0,
        # AWS takes no 0 here, only a capture that is switched off.
        "InitialSamplingPercentage": max(1, hosting.capture_percent),
        "DestinationS3Uri": site.s3(CAPTURES),
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": JSON_TYPES},
    }
    if site.kms_key:
        config["KmsKeyId"] = site.kms_key
    return config


def alarm_requests(site: Site) -> list[Request]:
    """Alarms on what the endpoint itself reports: an update is taken back when one goes off."""
    dimensions = [{"Name": "EndpointName", "Value": site.endpoint}, {"Name": "VariantName", "Value": VARIANT}]
    common = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": dimensions,
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 1,
        "TreatMissingData": "notBreaching",
        "Tags": site.tags,
    }
    errors = {
        "AlarmName": site.alarm("errors"),
        "AlarmDescription": "One request in twenty to the endpoint fails. Runbook docs/runbooks/endpoint-failing.md",
        "MetricName": "Invocation5XXErrors",
        "Statistic": "Average",
        "Threshold": 0.05,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    latency = {
        "AlarmName": site.alarm("latency"),
        "AlarmDescription": "The model takes longer than 5 s. Runbook docs/runbooks/endpoint-failing.md",
        "MetricName": "ModelLatency",
        "ExtendedStatistic": "p90",
        # Microseconds.
        "Threshold": 5_000_000,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    return [Request("cloudwatch", "put_metric_alarm", {**alarm, **common}) for alarm in (errors, latency)]


def log_requests(site: Site) -> list[Request]:
    """The endpoint's log group before the endpoint makes it: with an end to what it keeps, and our tags."""
    tags = {tag["Key"]: tag["Value"] for tag in site.tags}
    return [
        Request("logs", "create_log_group", {"logGroupName": site.endpoint_log_group, "tags": tags}),
        Request(
            "logs",
            "put_retention_policy",
            {"logGroupName": site.endpoint_log_group, "retentionInDays": LOG_RETENTION_DAYS},
        ),
    ]


def scaling_requests(site: Site, hosting: Hosting) -> list[Request]:
    """From the least to the most instances, by invocations per instance; serverless endpoints scale by themselves."""
    if hosting.serverless is not None:
        return []
    target = {"ServiceNamespace": "sagemaker", "ResourceId": site.scaled, "ScalableDimension": SCALABLE}
    policy = {
        "TargetValue": float(INVOCATIONS_PER_MINUTE),
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
    }
    limits = {"MinCapacity": hosting.instances, "MaxCapacity": hosting.max_instances}
    # Auto scaling takes tags as a map, and no service-linked role has to be named: AWS makes it.
    tags = {tag["Key"]: tag["Value"] for tag in site.tags}
    return [
        Request("application-autoscaling", "register_scalable_target", {**target, **limits, "Tags": tags}),
        Request(
            "application-autoscaling",
            "put_scaling_policy",
            {
                **target,
                "PolicyName": SCALING_POLICY,
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": policy,
            },
        ),
    ]


def unscaling_request(site: Site) -> Request:
    """No scaling any more: an update to another instance type is refused while there is."""
    target = {"ServiceNamespace": "sagemaker", "ResourceId": site.scaled, "ScalableDimension": SCALABLE}
    return Request("application-autoscaling", "deregister_scalable_target", target)


def _variant(model: str, hosting: Hosting) -> dict[str, Any]:
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": model, "InitialVariantWeight": 1.0}
    if hosting.serverless is not None:
        serverless = hosting.serverless
        return {
            **variant,
            "ServerlessConfig": {"MemorySizeInMB": serverless.memory_mb, "MaxConcurrency": serverless.max_concurrency},
        }
    return {
        **variant,
        "InstanceType": hosting.instance_type,
        "InitialInstanceCount": hosting.instances,
        "ContainerStartupHealthCheckTimeoutInSeconds": STARTUP_SECONDS,
    }
