"""An application's alarms, and which of them ring."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lifecycle.stacks import Client


def ringing_first(client: Client, stack: str) -> list[dict[str, Any]] | None:
    """The alarms of an application and of what is deployed beside it; None where CloudWatch does not say."""
    pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack}-")
    try:
        alarms = [
            alarm for page in pages for kind in ("MetricAlarms", "CompositeAlarms") for alarm in page.get(kind, ())
        ]
    except (ClientError, BotoCoreError):
        return None
    return sorted(alarms, key=lambda alarm: (alarm["StateValue"] != "ALARM", alarm["AlarmName"]))


def ringing(client: Client, stack: str) -> dict[str, str] | None:
    """What each alarm that rings says, by its name; None where CloudWatch does not say."""
    alarms = ringing_first(client, stack)
    if alarms is None:
        return None
    return {each["AlarmName"]: each.get("AlarmDescription", "") for each in alarms if each["StateValue"] == "ALARM"}
