"""CloudFormation: resources that it refuses, and deployments that were cut off."""

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import provisioners


def accept_metric_math_alarms() -> None:
    """CloudFormation here refuses alarms over several metrics."""
    record = provisioners._cw_metric_alarm_record

    def record_with_metrics(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        metrics = properties.get("Metrics")
        if not metrics:
            return dict(record(name, properties))
        single = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = record(name, {**single, "MetricName": "-", "Namespace": "-"})
        return {**alarm, "MetricName": None, "Namespace": None, "Metrics": metrics}

    provisioners._cw_metric_alarm_record = record_with_metrics


INTERRUPTED_STACKS = {
    "CREATE_IN_PROGRESS": "ROLLBACK_COMPLETE",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
}


def settle_interrupted_stacks() -> None:
    """A stack whose deployment was cut off stays "in progress" for good; nothing can be deployed to it again."""
    restore = cloudformation.load_persisted_state

    def restore_and_settle(data: dict[str, Any]) -> None:
        restore(data)
        for _, stack in cloudformation._stacks.all_items():
            stack["StackStatus"] = INTERRUPTED_STACKS.get(stack["StackStatus"], stack["StackStatus"])

    cloudformation.load_persisted_state = restore_and_settle
