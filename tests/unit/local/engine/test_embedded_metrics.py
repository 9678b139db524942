"""The embedded metric format is read from logs as Powertools and anyone else writes it."""

import json
from typing import Any

import pytest

from local.engine.embedded_metrics import metrics_in

NOW = 1_800_000_000.0


def line(**changes: Any) -> str:
    """A line as our functions log it."""
    directive = {
        "Namespace": "VehicleVision",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": "ImageAccepted", "Unit": "Count"}, {"Name": "Milliseconds"}],
    }
    said = {"_aws": {"Timestamp": 1_700_000_000_500, "CloudWatchMetrics": [directive]}, "service": "vehiclevision"}
    return json.dumps({**said, "ImageAccepted": [1.0, 1.0], "Milliseconds": 12.5, **changes})


def test_a_line_gives_its_metrics() -> None:
    """Every value, with namespace, unit, dimensions and the time that the line names."""
    own = {"Timestamp": 1_700_000_000.5, "Dimensions": {"service": "vehiclevision"}}
    accepted = ("VehicleVision", "ImageAccepted", {**own, "Value": 1.0, "Unit": "Count"})
    milliseconds = ("VehicleVision", "Milliseconds", {**own, "Value": 12.5, "Unit": "None"})

    assert metrics_in(line(), NOW) == [accepted, accepted, milliseconds]


@pytest.mark.parametrize(
    "said",
    [
        "START RequestId: 1",
        '"_aws"',
        '{"_aws": 1}',
        '{"_aws": {"CloudWatchMetrics": [[]]}}',
        '{"_aws": ' + "[" * 100_000,
        line(ImageAccepted="many"),
        line(service=None)[:-1],
        json.dumps({"_aws": {"CloudWatchMetrics": [{"Namespace": "n", "Metrics": [{"Name": "absent"}]}]}}),
    ],
    ids=["no JSON", "mark alone", "number", "list", "deep", "text", "cut", "absent"],
)
def test_another_line_gives_none(said: str) -> None:
    """Neither a line that is none of ours nor a broken one is an error, or half a metric."""
    assert metrics_in(said, NOW) == []
