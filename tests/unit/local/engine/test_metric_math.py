"""Metric math gives what CloudWatch documents, and nothing where data is missing."""

import pytest

from local.engine.metric_math import Value, parsed, value_of

SHARE = "IF(FILL(bad, 0) + FILL(good, 0) >= 20, FILL(bad, 0) / (FILL(bad, 0) + FILL(good, 0)), 0)"


@pytest.mark.parametrize(
    ("expression", "values", "value"),
    [
        ("bad + good * 2 - 1", {"bad": 1.0, "good": 2.0}, 4.0),
        ("bad + good", {"bad": 1.0, "good": None}, None),
        ("FILL(bad, 0) + FILL(good, 0)", {"bad": 1.0, "good": None}, 1.0),
        ("bad / good", {"bad": 1.0, "good": 0.0}, None),
        ("bad > good", {"bad": 2.0, "good": 1.0}, 1.0),
        ("-ABS(bad)", {"bad": -2.0}, -2.0),
        ("MAX(bad, good) - MIN(bad, good)", {"bad": 2.0, "good": 5.0}, 3.0),
        ("IF(bad > 1, bad)", {"bad": 1.0}, None),
        (SHARE, {"bad": 12.0, "good": 8.0}, 0.6),
        (SHARE, {"bad": 12.0, "good": 7.0}, 0.0),
        (SHARE, {"bad": 20.0, "good": None}, 1.0),
        (SHARE, {"bad": None, "good": None}, 0.0),
    ],
)
def test_an_expression_gives(expression: str, values: dict[str, Value], value: Value) -> None:
    """One value for one period."""
    assert value_of(parsed(expression), values) == value
