"""Put an approved version behind the endpoint, without a gap; take it back when it fails.

Every step looks first at what is there. So a run that was interrupted goes on with what is missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from lifecycle import endpoint, registry
from lifecycle.endpoint import Hosting, Names, Serverless
from lifecycle.errors import NothingFoundError, SageMakerStepError
from lifecycle.registry import Version, tags_of
from lifecycle.site import OWNER_TAG, VARIANT, Aws, Request, send
from lifecycle.stacks import or_none

POLL_SECONDS: Final = 3.0
IN_SERVICE: Final = "InService"
FAILED: Final = "Failed"
# The endpoint does something, and says what came of it when it is done.
BUSY: Final = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
OK: Final = "OK"


@dataclass(frozen=True)
class Deployed:
    """What answers now."""

    endpoint: str
    config: str
    version: int
    threshold: float | None
    changed: bool


@dataclass(frozen=True)
class State:
    """What of a deployment is there before it begins."""

    endpoint: Mapping[str, Any] | None
    live: Mapping[str, Any] | None
    alarms: tuple[str, ...] = ()
    ringing: tuple[str, ...] = ()

    @property
    def is_serverless(self) -> bool:
        """Whether AWS runs it by the request, and captures nothing there."""
        return any("ServerlessConfig" in variant for variant in (self.live or {}).get("ProductionVariants", []))


def answering(aws: Aws) -> State:
    """The endpoint and its configuration as they are at this moment, whatever is on its way; no alarm is looked at."""
    live_endpoint = registry.described_or_none(aws, "describe_endpoint", EndpointName=aws.site.endpoint)
    return State(live_endpoint, _configuration(aws, live_endpoint))


def look(aws: Aws, application_alarm: str) -> State:
    """The endpoint, its configuration, and the alarms that may watch an update: those that are quiet now."""
    # After whatever an interrupted run began.
    live_endpoint = await_endpoint(aws)
    live = _configuration(aws, live_endpoint)
    own_alarms = [aws.site.alarm(what) for what in endpoint.ALARMS]
    states = alarm_states(aws, [*own_alarms, application_alarm])
    # One that does not exist yet is made before the update; the application's may not exist at all.
    known = {**dict.fromkeys(own_alarms, OK), **states}
    quiet = [name for name in (*own_alarms, application_alarm) if known.get(name, "") != "ALARM"]
    watching = tuple(name for name in quiet if name in own_alarms or name in states)
    return State(live_endpoint, live, watching, tuple(name for name, state in states.items() if state == "ALARM"))


def plan(aws: Aws, version: Version, hosting: Hosting, state: State) -> list[Request]:
    """Everything that a deployment sends, in its order, less what is there."""
    site, names = aws.site, endpoint.names(aws.site, version, hosting)
    requests: list[Request] = []
    if registry.described_or_none(aws, "describe_model", ModelName=names.model) is None:
        requests.append(endpoint.model_request(site, version, names.model, hosting))
    if registry.described_or_none(aws, "describe_endpoint_config", EndpointConfigName=names.config) is None:
        requests.append(endpoint.config_request(site, names, hosting))
    requests += endpoint.log_requests(site)[1 if log_group_exists(aws, site.endpoint_log_group) else 0 :]
    requests += endpoint.alarm_requests(site)
    requests += _endpoint_requests(aws, names, hosting, state)
    return [*requests, *endpoint.scaling_requests(site, hosting)]


def _endpoint_requests(aws: Aws, names: Names, hosting: Hosting, state: State) -> Iterator[Request]:
    site, now = aws.site, state.endpoint
    if now is None:
        yield endpoint.endpoint_request(site, names.config)
    elif now["EndpointStatus"] == FAILED:
        # A failed creation takes no update.
        yield Request("sagemaker", "delete_endpoint", {"EndpointName": site.endpoint})
        yield endpoint.endpoint_request(site, names.config)
    elif now["EndpointConfigName"] != names.config:
        # An endpoint that was there before us becomes ours, so that teardown finds it.
        if OWNER_TAG not in tags_of(aws, now["EndpointArn"]):
            yield Request("sagemaker", "add_tags", {"ResourceArn": now["EndpointArn"], "Tags": site.tags})
        if _variant(state).get("InstanceType") not in (None, hosting.instance_type) or hosting.serverless is not None:
            yield endpoint.unscaling_request(site)
        yield endpoint.update_request(site, names.config, hosting, state.alarms, live_instances(state))


def deploy(aws: Aws, version: Version, hosting: Hosting, state: State) -> Deployed:
    """Carry the plan out and wait until the endpoint serves the version; an error if SageMaker took it back."""
    endpoint.check(version, hosting)
    if hosting.serverless is not None and state.live is not None and "ServerlessConfig" not in _variant(state):
        raise SageMakerStepError(
            "AWS turns no endpoint with instances into a serverless one.",
            "Take it away first, which makes a gap: vehiclevision sagemaker teardown --endpoint-only",
        )
    names = endpoint.names(aws.site, version, hosting)
    changed = state.endpoint is None or state.endpoint.get("EndpointConfigName") != names.config
    for request in plan(aws, version, hosting, state):
        if request.service == "application-autoscaling":
            # Nothing to take away is as good as taken away.
            gone = {"ObjectNotFoundException"} if request.operation == "deregister_scalable_target" else ()
            or_none(gone, partial(send, aws, request))
            continue
        if request.service == "sagemaker":
            aws.tell(_words(request, aws))
        send(aws, request)
        if request.operation == "delete_endpoint":
            await_endpoint(aws)
        elif request.operation in ("create_endpoint", "update_endpoint"):
            _await_version(aws, version, names)
    return Deployed(aws.site.endpoint, names.config, version.number, version.threshold, changed)


def _await_version(aws: Aws, version: Version, names: Names) -> None:
    live = await_endpoint(aws)
    if live is not None and live["EndpointStatus"] == IN_SERVICE and live["EndpointConfigName"] == names.config:
        return
    reason = " ".join(str((live or {}).get("FailureReason", "")).split())[:400]
    if live is not None and live["EndpointStatus"] == IN_SERVICE:
        send(
            aws, registry.approval_request(version, registry.REJECTED, f"Rolled back: {reason or 'an alarm went off'}")
        )
        raise SageMakerStepError(
            f"SageMaker took version {version.number} back; the one before still answers. {reason}".rstrip(),
            f"It is marked as {registry.REJECTED}. Look at {aws.site.endpoint_log_group} before you approve it again.",
        )
    status = "gone" if live is None else live["EndpointStatus"]
    raise SageMakerStepError(
        f"The endpoint {aws.site.endpoint} is {status}. {reason}".rstrip(),
        f"Its log is {aws.site.endpoint_log_group}. Run the same command again, or: vehiclevision sagemaker teardown",
    )


def await_endpoint(aws: Aws) -> dict[str, Any] | None:
    """The endpoint once it is at rest; None when there is none."""
    said = ""
    while True:
        live: dict[str, Any] | None = registry.described_or_none(
            aws, "describe_endpoint", EndpointName=aws.site.endpoint
        )
        if live is None or live["EndpointStatus"] not in BUSY:
            return live
        if live["EndpointStatus"] != said:
            said = live["EndpointStatus"]
            aws.tell(f"{aws.site.endpoint}: {said}")
        aws.sleep(POLL_SECONDS)


def live_version(aws: Aws, versions: list[Version], state: State) -> Version:
    """The registered version that answers now."""
    if state.live is None:
        raise NothingFoundError(
            f"There is no endpoint {aws.site.endpoint}.", "Deploy one with: vehiclevision sagemaker deploy --latest"
        )
    model = registry.described_or_none(aws, "describe_model", ModelName=_variant(state)["ModelName"])
    arn = (model or {}).get("PrimaryContainer", {}).get("ModelPackageName")
    for version in versions:
        if version.arn == arn:
            return version
    raise NothingFoundError(
        f"What the endpoint {aws.site.endpoint} serves is no registered version.",
        "Deploy one with: vehiclevision sagemaker deploy --latest",
    )


def hosting_of(aws: Aws, state: State) -> Hosting:
    """How the endpoint is served now, so that a rollback changes nothing but the version."""
    variant, captured = _variant(state), (state.live or {}).get("DataCaptureConfig", {})
    percent = captured.get("InitialSamplingPercentage", 100) if captured.get("EnableCapture", True) else 0
    if "ServerlessConfig" in variant:
        given = variant["ServerlessConfig"]
        return Hosting(serverless=Serverless(given["MemorySizeInMB"], given["MaxConcurrency"]))
    least = int(variant["InitialInstanceCount"])
    return Hosting(variant["InstanceType"], least, _most_instances(aws, least), percent)


def live_instances(state: State) -> int | None:
    """How many instances serve now; None where the endpoint is serverless."""
    if "ServerlessConfig" in _variant(state):
        return None
    for each in (state.endpoint or {}).get("ProductionVariants", []):
        if each["VariantName"] == VARIANT and each.get("DesiredInstanceCount"):
            return int(each["DesiredInstanceCount"])
    return int(_variant(state).get("InitialInstanceCount", 1))


def _most_instances(aws: Aws, least: int) -> int:
    try:
        targets = aws.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="sagemaker", ResourceIds=[aws.site.scaled]
        )["ScalableTargets"]
    except ClientError:
        # Without the right to look, scaling stays as it is when no more than the least is asked for.
        return least
    return max([least, *(int(target["MaxCapacity"]) for target in targets)])


def alarm_states(aws: Aws, names: list[str]) -> dict[str, str]:
    """The state of each of these alarms that exists."""
    answer = aws.client("cloudwatch").describe_alarms(AlarmNames=names)
    return {alarm["AlarmName"]: alarm.get("StateValue", OK) for alarm in answer.get("MetricAlarms", [])}


def _configuration(aws: Aws, live_endpoint: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    name = (live_endpoint or {}).get("EndpointConfigName")
    return registry.described_or_none(aws, "describe_endpoint_config", EndpointConfigName=name) if name else None


def _variant(state: State) -> Mapping[str, Any]:
    variant: Mapping[str, Any] = next(
        (each for each in (state.live or {}).get("ProductionVariants", []) if each["VariantName"] == VARIANT), {}
    )
    return variant


def log_group_exists(aws: Aws, name: str) -> bool:
    """Whether there is a log group of that very name."""
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in groups)


def _words(request: Request, aws: Aws) -> str:
    watched = ", watched by its alarms" if "DeploymentConfig" in request.parameters else ""
    what = {
        "create_model": "Making the model",
        "create_endpoint_config": "Making the endpoint's configuration",
        "create_endpoint": f"Making the endpoint {aws.site.endpoint}: five minutes",
        "update_endpoint": f"Moving the endpoint {aws.site.endpoint} to the new version{watched}",
        "add_tags": f"Marking the endpoint {aws.site.endpoint} as ours",
        "delete_endpoint": f"Taking away the endpoint {aws.site.endpoint}, which has failed",
    }
    return what[request.operation]
