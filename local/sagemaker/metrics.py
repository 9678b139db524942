"""What CloudWatch is told of each request to an endpoint: how many there were, how many failed, how long they took.

"The number of InvokeEndpoint requests where the model returned a 5xx HTTP response code. For each 5xx response, 1 is
sent; otherwise, 0 is sent." "ModelLatency: The interval of time taken by a model to respond as viewed from SageMaker
AI." (Amazon SageMaker AI Developer Guide, async-inference-monitor, where these metrics are "the same as the metrics
published for real-time endpoints"; read on 28 November 2026. Latencies are in microseconds.)
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.waiting import Waiting

NAMESPACE = "AWS/SageMaker"
FLUSH_SECONDS = 5.0
# What CloudWatch takes of one metric at once.
MAX_VALUES = 150
SERVER_ERROR = 500

# Asks a service for an operation; OSError when it cannot.
Call = Callable[..., None]


@dataclass(frozen=True)
class Invocation:
    """One request to a variant, as it ended."""

    endpoint: str
    variant: str
    status: int
    model_seconds: float
    overhead_seconds: float

    def values(self) -> Mapping[str, tuple[int, str]]:
        """Each metric's value and unit."""
        return {
            "Invocations": (1, "None"),
            "Invocation5XXErrors": (int(self.status >= SERVER_ERROR), "None"),
            "ModelLatency": (round(self.model_seconds * 1e6), "Microseconds"),
            "OverheadLatency": (round(self.overhead_seconds * 1e6), "Microseconds"),
        }


Metric = tuple[str, str, str, str]


class Metrics(Waiting[Invocation]):
    """The requests of which CloudWatch is not told yet; what it does not take may count twice if it did."""

    def __init__(self, call: Call, flush_seconds: float = FLUSH_SECONDS) -> None:
        super().__init__("CloudWatch", self._tell, flush_seconds)
        self._call = call

    def _tell(self, invocations: list[Invocation]) -> list[Invocation]:
        counted: dict[Metric, Counter[int]] = {}
        for each in invocations:
            for name, (value, unit) in each.values().items():
                counted.setdefault((name, unit, each.endpoint, each.variant), Counter())[value] += 1
        try:
            metrics = [datum for metric, values in counted.items() for datum in data(metric, values)]
            self._call("cloudwatch", "put_metric_data", Namespace=NAMESPACE, MetricData=metrics)
        except OSError as error:
            print(f"CloudWatch is not told of the latest requests yet: {error}", file=sys.stderr, flush=True)
            return invocations
        return []


def data(metric: Metric, values: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    """A metric's values as PutMetricData takes them."""
    name, unit, endpoint, variant = metric
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
    listed = list(values.items())
    for start in range(0, len(listed), MAX_VALUES):
        part = listed[start : start + MAX_VALUES]
        yield {
            "MetricName": name,
            "Dimensions": dimensions,
            "Unit": unit,
            "Values": [float(value) for value, _ in part],
            "Counts": [float(count) for _, count in part],
        }
