"""What CloudWatch is told of each request to an endpoint: how many there were, how many failed, how long they took.

"The number of InvokeEndpoint requests where the model returned a 5xx HTTP response code. For each 5xx response, 1 is
sent; otherwise, 0 is sent." "ModelLatency: The interval of time taken by a model to respond as viewed from SageMaker
AI." (Amazon SageMaker AI Developer Guide, async-inference-monitor, where these metrics are "the same as the metrics
published for real-time endpoints"; read on 28 November 2026. Latencies are in microseconds.)
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NAMESPACE = "AWS/SageMaker"
FLUSH_SECONDS = 5.0
# What CloudWatch takes of one metric at once, and what is kept of each while it does not answer.
MAX_VALUES = 150
MAX_WAITING_VALUES = 20_000
SERVER_ERROR = 500

# Hands metrics on; OSError when nobody takes them.
Put = Callable[[list[dict[str, Any]]], None]


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


class Metrics:
    """Values that wait, and the thread that hands them on every few seconds."""

    def __init__(self, put: Put, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._put = put
        self._flush_seconds = flush_seconds
        self._waiting: dict[Metric, Counter[int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, invocation: Invocation) -> None:
        """Count a request; returns at once."""
        with self._lock:
            for name, (value, unit) in invocation.values().items():
                values = self._waiting.setdefault((name, unit, invocation.endpoint, invocation.variant), Counter())
                if value in values or len(values) < MAX_WAITING_VALUES:
                    values[value] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="metrics")
                self._thread.start()

    def stop(self) -> None:
        """Hand on what waits, and end; within some seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(FLUSH_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(self._flush_seconds):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Hand on all that waits; what nobody takes now waits for the next time, and counts twice if it was taken."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            self._put([each for metric, values in waiting.items() for each in data(metric, values)])
        except OSError as error:
            print(f"CloudWatch is not told of the latest requests yet: {error}", file=sys.stderr, flush=True)
            with self._lock:
                for metric, values in waiting.items():
                    self._waiting.setdefault(metric, Counter()).update(values)


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
