"""The state of a CloudWatch alarm on one metric, as CloudWatch finds it from the metric's datapoints."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

OK: Final = "OK"
ALARM: Final = "ALARM"
BREACHES: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def periods(points: Sequence[Mapping[str, Any]], alarm: Mapping[str, Any], now: float) -> list[list[Mapping[str, Any]]]:
    """The metric's points in each of the periods that the alarm looks at, the newest first; empty ones too."""
    length = int(alarm.get("Period") or 60)
    newest = int(now // length)
    found: list[list[Mapping[str, Any]]] = [[] for _ in range(int(alarm.get("EvaluationPeriods") or 1))]
    for point in points:
        age = newest - int(point["Timestamp"] // length)
        if 0 <= age < len(found):
            found[age].append(point)
    return found


def state(alarm: Mapping[str, Any], values: Sequence[float | None]) -> str | None:
    """What the alarm's state becomes with these values, None for a period without data; None leaves it as it is."""
    breaches = BREACHES.get(str(alarm.get("ComparisonOperator")))
    if breaches is None:
        return None
    threshold = float(alarm.get("Threshold") or 0)
    verdicts = [breaches(value, threshold) for value in values if value is not None]
    silent = len(values) - len(verdicts)
    treated = alarm.get("TreatMissingData") or "missing"
    if treated in ("breaching", "notBreaching"):
        verdicts += [treated == "breaching"] * silent
    if not verdicts:
        return None
    return ALARM if sum(verdicts) >= int(alarm.get("DatapointsToAlarm") or len(values)) else OK
