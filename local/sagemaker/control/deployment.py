"""How an endpoint comes into service, changes what it serves without a gap, and goes back when that fails.

The old fleet serves until the new one has passed its checks; traffic then moves in the steps that were
asked for. Every status is on disk before the next step, so a process that is killed goes on after it.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from local.sagemaker.control.aws import FAULTS, Engine
from local.sagemaker.control.errors import DeploymentError
from local.sagemaker.control.names import ENDPOINT, ENDPOINT_CONFIG, MODEL, key, now
from local.sagemaker.control.serving import Fleet, Serving, mixed
from local.sagemaker.control.settings import Settings
from local.sagemaker.control.store import Record, Store

# Roughly what AWS takes for each, in seconds there.
STARTING_SECONDS = 60.0
ROLLING_BACK_SECONDS = 30.0
DELETING_SECONDS = 15.0
ALARM_POLL_SECONDS = 0.25
MAX_REASON = 1_024
INTERNAL_FAULT = "We encountered an internal error. Its trace is in sagemaker-control/log."
ALL_AT_ONCE: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}


class Deployments:
    """Moves endpoints from one status to the next in the background."""

    def __init__(self, store: Store, engine: Engine, serving: Serving, settings: Settings) -> None:
        self._store = store
        self._engine = engine
        self._serving = serving
        self._speed = settings.speed

    def launch(self, name: str) -> None:
        """Go on with what the endpoint's status says."""
        threading.Thread(target=self._run, args=(key(name),), daemon=True, name=f"endpoint {name}").start()

    def resume(self) -> None:
        """Go on with all that the last stop cut off."""
        for record in self._store.all(ENDPOINT):
            if record["EndpointStatus"] in ("Creating", "Updating", "RollingBack", "Deleting"):
                self.launch(record["EndpointName"])

    def _run(self, name: str) -> None:
        try:
            self._go_on(name)
        except BaseException:
            # A fault of ours; the endpoint must not seem to change for ever.
            if self._store.get(ENDPOINT, name) is not None:
                self._change(name, EndpointStatus="Failed", FailureReason=INTERNAL_FAULT)
            raise
        self._serving.forget_unused()

    def _go_on(self, name: str) -> None:
        record = self._store.get(ENDPOINT, name) or {}
        match record.get("EndpointStatus"):
            case "Creating":
                self._create(name)
            case "Updating":
                self._update(name)
            case "RollingBack":
                self._roll_back(name, str(record.get("FailureReason", "")))
            case "Deleting":
                self._delete(name)

    def _create(self, name: str) -> None:
        record = self._change(name)
        try:
            fleet, variants = self._prepared(record["EndpointConfigName"])
        except DeploymentError as error:
            self._change(name, EndpointStatus="Failed", FailureReason=str(error)[:MAX_REASON])
            return
        self._pass(STARTING_SECONDS)
        self._serve(name, EndpointStatus="InService", _fleet=fleet, ProductionVariants=variants)

    def _delete(self, name: str) -> None:
        self._serving.publish()
        self._pass(DELETING_SECONDS)
        self._store.delete(ENDPOINT, name)

    # ---- update ----------------------------------------------------------------------------------

    def _update(self, name: str) -> None:
        record = self._change(name)
        if "_weights" in record:
            self._reweigh(name, record)
            return
        pending = record["_pending"]
        deployment = pending["deployment"]
        blue: Fleet = record["_fleet_before"]
        try:
            green, variants = self._prepared(pending["config"], pending.get("retained"))
            self._pass(STARTING_SECONDS)
            policy = deployment.get("BlueGreenUpdatePolicy", {})
            for share, wait in steps(deployment, sum(each["CurrentInstanceCount"] for each in variants)):
                self._serve(name, _fleet=mixed(blue, green, share))
                self._bake(deployment, wait)
            self._bake(deployment, policy.get("TerminationWaitInSeconds", 0))
        except DeploymentError as error:
            self._change(name, EndpointStatus="RollingBack", FailureReason=str(error)[:MAX_REASON])
            self._roll_back(name, str(error))
            return
        config = self._store.get(ENDPOINT_CONFIG, key(pending["config"])) or {}
        capture = pending.get("capture", config.get("DataCaptureConfig"))
        self._serve(
            name,
            EndpointStatus="InService",
            EndpointConfigName=pending["config"],
            ProductionVariants=variants,
            LastDeploymentConfig=deployment or None,
            FailureReason=None,
            DataCaptureConfig=capture_summary(capture),
            PendingDeploymentSummary=None,
            _capture_config=capture,
            _fleet=green,
            _fleet_before=None,
            _pending=None,
        )

    def _reweigh(self, name: str, record: Record) -> None:
        self._pass(ROLLING_BACK_SECONDS)
        asked = {each["VariantName"]: each for each in record["_weights"]}
        variants, fleet = [], []
        for variant in record["ProductionVariants"]:
            new = asked.get(variant["VariantName"], {})
            weight = new.get("DesiredWeight", variant["DesiredWeight"])
            count = new.get("DesiredInstanceCount", variant.get("DesiredInstanceCount", 1))
            weights = {"CurrentWeight": weight, "DesiredWeight": weight}
            variants.append({**variant, **weights, "CurrentInstanceCount": count, "DesiredInstanceCount": count})
            fleet += [{**e, "weight": weight} for e in record["_fleet"] if e["name"] == variant["VariantName"]]
        self._serve(name, EndpointStatus="InService", ProductionVariants=variants, _fleet=fleet, _weights=None)

    def _roll_back(self, name: str, reason: str) -> None:
        """Everything as it was, with the reason."""
        record = self._change(name)
        self._serve(name, _fleet=record.get("_fleet_before") or record["_fleet"])
        self._pass(ROLLING_BACK_SECONDS)
        self._change(
            name,
            EndpointStatus="InService",
            FailureReason=reason[:MAX_REASON] or None,
            PendingDeploymentSummary=None,
            _pending=None,
            _fleet_before=None,
        )

    def _serve(self, name: str, **fields: Any) -> None:
        """Change what is served; nobody reads the new status before the runtime has been told."""
        with self._store.lock:
            self._change(name, **fields)
            self._serving.publish()

    def _bake(self, deployment: Mapping[str, Any], seconds: float) -> None:
        """Wait, and fail as soon as an alarm rings."""
        deadline = time.monotonic() + seconds / self._speed
        while True:
            self._check_alarms(deployment)
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, ALARM_POLL_SECONDS))

    def _check_alarms(self, deployment: Mapping[str, Any]) -> None:
        names = alarm_names(deployment)
        if not names:
            return
        try:
            answer = self._engine.client("cloudwatch").describe_alarms(AlarmNames=names, StateValue="ALARM")
        except FAULTS as error:
            raise DeploymentError(f"The alarms {', '.join(names)} could not be read: {error}") from error
        alarms = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        if alarms:
            ringing = ", ".join(sorted(alarm["AlarmName"] for alarm in alarms))
            raise DeploymentError(f"The deployment was rolled back: alarms in state ALARM: {ringing}.")

    # ---- parts -----------------------------------------------------------------------------------

    def _prepared(
        self, config_name: str, retained: Mapping[str, Any] | None = None
    ) -> tuple[Fleet, list[dict[str, Any]]]:
        """A configuration's fleet with every model fetched and checked, and the variants as they are described."""
        config = self._store.get(ENDPOINT_CONFIG, key(config_name))
        if config is None:
            raise DeploymentError(f"The endpoint configuration {config_name} was deleted.")
        fleet: Fleet = []
        variants = []
        for variant in config["ProductionVariants"]:
            model = self._store.get(MODEL, key(variant["ModelName"]))
            if model is None:
                raise DeploymentError(f"The model {variant['ModelName']} was deleted.")
            path = self._serving.fetch(model["_data_url"])
            summary = described_variant(variant, model, (retained or {}).get(variant["VariantName"], {}))
            image = summary["DeployedImages"][0]["SpecifiedImage"]
            self._serving.check(variant["VariantName"], path, image)
            fleet.append({"name": variant["VariantName"], "model": path, "weight": summary["CurrentWeight"]})
            variants.append(summary)
        return fleet, variants

    def _change(self, name: str, **fields: Any) -> Record:
        if fields:
            fields["LastModifiedTime"] = now()
        return self._store.change(ENDPOINT, name, **fields)

    def _pass(self, seconds: float) -> None:
        time.sleep(seconds / self._speed)


def steps(deployment: Mapping[str, Any], instances: int) -> Iterator[tuple[float, float]]:
    """The new fleet's share of the traffic and the seconds to wait with it, step by step."""
    rolling = deployment.get("RollingUpdatePolicy")
    if rolling:
        routing = {**rolling, "Type": "LINEAR", "LinearStepSize": rolling["MaximumBatchSize"]}
    else:
        routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", ALL_AT_ONCE)
    wait = routing["WaitIntervalInSeconds"]
    match routing["Type"]:
        case "CANARY":
            yield _share(routing["CanarySize"], instances), wait
            yield 1.0, wait
        case "LINEAR":
            size = _share(routing["LinearStepSize"], instances)
            share = size
            while share < 1.0:
                yield share, wait
                share = round(share + size, 6)
            yield 1.0, wait
        case _:
            yield 1.0, wait


def _share(size: Mapping[str, Any], instances: int) -> float:
    value = float(size["Value"])
    whole = 100.0 if size["Type"] == "CAPACITY_PERCENT" else float(max(instances, 1))
    return min(1.0, max(0.01, value / whole))


def alarm_names(deployment: Mapping[str, Any]) -> list[str]:
    """The alarms that roll a deployment back."""
    return [alarm["AlarmName"] for alarm in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])]


def described_variant(variant: Mapping[str, Any], model: Record, retained: Mapping[str, Any]) -> dict[str, Any]:
    """A variant as DescribeEndpoint shows it."""
    container = model.get("PrimaryContainer") or model["Containers"][0]
    image = container.get("Image") or model.get("_image", "")
    weight = retained.get("DesiredWeight", variant.get("InitialVariantWeight", 1.0))
    count = retained.get("DesiredInstanceCount", variant.get("InitialInstanceCount", 1))
    serverless = variant.get("ServerlessConfig")
    capacity = (
        {"CurrentServerlessConfig": serverless, "CurrentInstanceCount": 0, "DesiredInstanceCount": 0}
        if serverless
        else {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
    )
    return {
        "VariantName": variant["VariantName"],
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": now()}],
        "CurrentWeight": float(weight),
        "DesiredWeight": float(weight),
        **capacity,
    }


def capture_summary(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A DataCaptureConfig as DescribeEndpoint shows it."""
    if not config:
        return None
    on = bool(config.get("EnableCapture", False))
    return {
        "EnableCapture": on,
        "CaptureStatus": "Started" if on else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }
