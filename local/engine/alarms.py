"""The state of a CloudWatch alarm, as CloudWatch finds it from the datapoints of the metrics that it watches."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from local.engine import metric_math

OK: Final = "OK"
ALARM: Final = "ALARM"
INSUFFICIENT_DATA: Final = "INSUFFICIENT_DATA"
BREACHES: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}

Points = Sequence[Mapping[str, Any]]
# One value a period from a metric's description, the statistic and the period's length: the newest period first.
Series = Callable[[Mapping[str, Any], str, int], Sequence[float | None]]


def length_of(alarm: Mapping[str, Any]) -> int:
    """The seconds of one of the alarm's periods."""
    stats = [each["MetricStat"] for each in alarm.get("Metrics") or () if "MetricStat" in each]
    return max((int(each["Period"]) for each in stats), default=int(alarm.get("Period") or 60))


def periods(points: Points, length: int, count: int, now: float) -> list[list[Mapping[str, Any]]]:
    """The metric's points in each of the last so many periods, the newest first; empty ones too."""
    newest = int(now // length)
    sorted_in: list[list[Mapping[str, Any]]] = [[] for _ in range(count)]
    for point in points:
        age = newest - int(point["Timestamp"] // length)
        if 0 <= age < count:
            sorted_in[age].append(point)
    return sorted_in


def values(alarm: Mapping[str, Any], series: Series) -> list[float | None]:
    """What the alarm watches in each of its periods, the newest first, None where there is no data.

    UnknownMathError where it watches an expression that is not known here.
    """
    length, count = length_of(alarm), int(alarm.get("EvaluationPeriods") or 1)
    if not alarm.get("Metrics"):
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        return list(series(alarm, statistic, length))
    watched: dict[str, Sequence[float | None]] = {}
    expressions = {}
    for metric in alarm["Metrics"]:
        if "MetricStat" in metric:
            stat = metric["MetricStat"]
            watched[metric["Id"]] = series(stat["Metric"], stat["Stat"], int(stat["Period"]))
        else:
            expressions[metric["Id"]] = metric_math.parsed(metric["Expression"])
    told = [metric["Id"] for metric in alarm["Metrics"] if str(metric.get("ReturnData", True)).lower() == "true"]
    if len(told) != 1:
        raise metric_math.UnknownMathError("An alarm watches the one metric or expression that returns data.")
    if told[0] in watched:
        return list(watched[told[0]])
    return [
        metric_math.value_of(expressions[told[0]], {name: each[age] for name, each in watched.items()})
        for age in range(count)
    ]


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
        return None if treated == "ignore" else INSUFFICIENT_DATA
    return ALARM if sum(verdicts) >= int(alarm.get("DatapointsToAlarm") or len(values)) else OK
