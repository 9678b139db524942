"""Which of an application's alarms ring, for commands that say how it is."""

from botocore.exceptions import BotoCoreError, ClientError

from cli.target import Target


def ringing(target: Target) -> dict[str, str] | None:
    """What each alarm that rings says, by its name; None where CloudWatch does not say."""
    pages = target.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{target.stack}-")
    try:
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"] if alarm["StateValue"] == "ALARM"]
        return {alarm["AlarmName"]: alarm.get("AlarmDescription", "") for alarm in alarms}
    except (ClientError, BotoCoreError):
        return None
