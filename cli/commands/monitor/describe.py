"""Show schedule, alarms, baseline and what the last check found."""

from typing import Final

from cli.checks import function_of, told
from cli.display import notes, tell
from cli.options import Application, AsJson
from lifecycle import stacks
from monitoring.check import baseline_of
from monitoring.errors import BaselineError
from monitoring.last_check import last_check

ALARMS: Final = ("drift", "silent-capture", "falling-coverage", "check-failing")


def command(application: Application, as_json: AsJson = False) -> int:
    """Show what there is."""
    target = application.target()
    function_of(target)
    name, s3 = target.beside("monitoring"), target.client("s3")
    stack = stacks.described(target.client, name) or {}
    parameters = stacks.parameters(stack)
    bucket, endpoint = parameters["CaptureBucketName"], parameters["EndpointName"]
    try:
        baseline = baseline_of(s3, bucket, endpoint)
    except BaselineError as error:
        notes().print(f"{error.message} What is there cannot be used.")
        baseline = None
    states = target.client("cloudwatch").describe_alarms(AlarmNames=[f"{name}-{alarm}" for alarm in ALARMS])
    facts = {
        "stack": name,
        "status": stack["StackStatus"],
        "endpoint": endpoint,
        "captures": f"s3://{bucket}/{parameters['CapturePrefix']}/{endpoint}/",
        "schedule": parameters["Schedule"],
        "window_hours": int(parameters["WindowHours"]),
        "alarm_rate": float(parameters["AlarmRate"]),
        "baseline": baseline.model_version if baseline else None,
        "alarms": {each["AlarmName"]: each["StateValue"] for each in states["MetricAlarms"]},
        "last_check": last_check(s3, bucket, endpoint),
    }
    return tell(
        as_json,
        facts,
        f"{name}: {facts['status']}",
        f"  checks      {facts['captures']}",
        f"  when        {facts['schedule']}, {facts['window_hours']} hours back, alarm rate {facts['alarm_rate']}",
        f"  baseline    {'of model ' + baseline.model_version if baseline else 'none'}",
        *(f"  alarm       {alarm}: {state}" for alarm, state in sorted(facts["alarms"].items())),
        *(told(facts["last_check"]) if facts["last_check"] else ()),
    )
