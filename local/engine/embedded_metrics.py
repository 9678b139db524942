"""Metrics that a program logs: CloudWatch's embedded metric format, read from a line of a log."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MARK = '"_aws"'


@dataclass(frozen=True)
class Metric:
    """Values of one metric under one set of dimensions."""

    namespace: str
    name: str
    unit: str
    dimensions: Mapping[str, str]
    values: tuple[float, ...]
    seconds: float


def metrics_in(line: str, now: float) -> Iterator[Metric]:
    """The metrics of a line of a log; none where it is no such line, or not a well-formed one."""
    if MARK not in line:
        return
    try:
        said = json.loads(line[line.index("{") :])
        directives = said["_aws"]["CloudWatchMetrics"]
        seconds = float(said["_aws"].get("Timestamp", now * 1000)) / 1000
        metrics = [each for directive in directives for each in _metrics_of(directive, said, seconds)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return
    yield from metrics


def _metrics_of(directive: Mapping[str, Any], said: Mapping[str, Any], seconds: float) -> Iterator[Metric]:
    for names in directive.get("Dimensions") or [[]]:
        dimensions = {name: str(said[name]) for name in names}
        for metric in directive["Metrics"]:
            given = said[metric["Name"]]
            values = tuple(float(each) for each in (given if isinstance(given, list) else [given]))
            unit = str(metric.get("Unit", "None"))
            yield Metric(str(directive["Namespace"]), str(metric["Name"]), unit, dimensions, values, seconds)
