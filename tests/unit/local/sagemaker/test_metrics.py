"""What CloudWatch is told of requests: every one once, in a few words, however long it does not listen."""

from typing import Any

from local.sagemaker.metrics import MAX_VALUES, Invocation, Metrics


def told(*invocations: Invocation, refusals: int = 0) -> list[list[dict[str, Any]]]:
    """What each flush hands on, the first so many of which nobody takes."""
    handed: list[list[dict[str, Any]]] = []

    def put(*_: str, **request: Any) -> None:
        handed.append(request["MetricData"])
        if len(handed) <= refusals:
            raise OSError("nobody listens")

    metrics = Metrics(put, flush_seconds=600)
    for invocation in invocations:
        metrics.take(invocation)
    for _ in range(refusals + 2):
        metrics.flush()
    return handed


def test_requests_are_counted_by_variant_and_sent_together() -> None:
    """Two good answers and one failure of a variant: one datum a metric, equal values once with their count."""
    answers = [Invocation("e", "v", status, 0.25, 0.001) for status in (200, 200, 500)]

    (sent,) = told(*answers)

    values = {each["MetricName"]: dict(zip(each["Values"], each["Counts"], strict=True)) for each in sent}
    assert values == {
        "Invocations": {1: 3},
        "Invocation5XXErrors": {0: 2, 1: 1},
        "ModelLatency": {250_000: 3},
        "OverheadLatency": {1000: 3},
    }
    assert {each["Unit"] for each in sent if each["MetricName"].endswith("Latency")} == {"Microseconds"}
    assert sent[0]["Dimensions"] == [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]


def test_what_nobody_takes_waits() -> None:
    """The engine is away for a while: the same values come with the next flush, and then not again."""
    first, second = told(Invocation("e", "v", 200, 0.1, 0.0), refusals=1)

    assert first == second


def test_many_latencies_are_sent_in_parts() -> None:
    """CloudWatch takes so many values of a metric at once, so more of them are in several."""
    (sent,) = told(*(Invocation("e", "v", 200, number / 1000, 0.0) for number in range(MAX_VALUES + 1)))

    assert [len(each["Values"]) for each in sent if each["MetricName"] == "ModelLatency"] == [MAX_VALUES, 1]
