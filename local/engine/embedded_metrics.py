"""Metrics that a program logs: CloudWatch's embedded metric format, read from a line of a log."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

MARK = '"_aws"'


def metrics_in(line: str, now: float) -> list[tuple[str, str, dict[str, Any]]]:
    """Namespace, name and point of each value in a line of a log; none where it is no such line, or not well-formed."""
    if MARK not in line:
        return []
    try:
        said = json.loads(line[line.index("{") :])
        directives = said["_aws"]["CloudWatchMetrics"]
        seconds = float(said["_aws"].get("Timestamp", now * 1000)) / 1000
        return [each for directive in directives for each in _metrics_of(directive, said, seconds)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _metrics_of(
    directive: Mapping[str, Any], said: Mapping[str, Any], seconds: float
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for names in directive.get("Dimensions") or [[]]:
        own = {"Timestamp": seconds, "Dimensions": {name: str(said[name]) for name in names}}
        for metric in directive["Metrics"]:
            given = said[metric["Name"]]
            for value in given if isinstance(given, list) else [given]:
                point = {**own, "Value": float(value), "Unit": str(metric.get("Unit", "None"))}
                yield str(directive["Namespace"]), str(metric["Name"]), point
