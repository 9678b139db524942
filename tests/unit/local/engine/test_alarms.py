"""An alarm's state follows from its metric's datapoints, as CloudWatch documents it."""

from pathlib import Path
from typing import Any

import pytest

from lifecycle.lean import parameters
from lifecycle.templates import parsed, resolved
from local.engine.alarms import periods, state, values
from local.engine.metric_math import UnknownMathError

NOW = 10_000_000.0


def alarm(**given: Any) -> dict[str, Any]:
    """Above 0, in one of one period of a minute."""
    return {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0, "Period": 60, "EvaluationPeriods": 1, **given}


def test_it_goes_off_and_comes_back() -> None:
    """A value above the threshold is ALARM, one at it is OK again."""
    assert [state(alarm(), [1.0]), state(alarm(), [0.0])] == ["ALARM", "OK"]


@pytest.mark.parametrize(
    ("treated", "becomes"),
    [("ignore", None), ("missing", "INSUFFICIENT_DATA"), ("notBreaching", "OK"), ("breaching", "ALARM")],
)
def test_silence_is_treated_as_the_alarm_says(treated: str, becomes: str | None) -> None:
    """Without data the state stays or says so, or the silence itself counts as good or as bad."""
    assert state(alarm(TreatMissingData=treated), [None]) == becomes


def test_only_so_many_of_so_many_go_off() -> None:
    """Two of three periods must breach; one does not."""
    two_of_three = alarm(EvaluationPeriods=3, DatapointsToAlarm=2)

    assert state(two_of_three, [1.0, 0.0, 1.0]) == "ALARM"
    assert state(two_of_three, [1.0, 0.0, 0.0]) == "OK"


def test_all_hours_must_be_silent_before_a_missing_check_alarms() -> None:
    """Below 1 in each of three hours, silence counting as below: one check in them is enough."""
    missing = alarm(
        ComparisonOperator="LessThanThreshold", Threshold=1, EvaluationPeriods=3, TreatMissingData="breaching"
    )

    assert state(missing, [None, None, None]) == "ALARM"
    assert state(missing, [None, 1.0, None]) == "OK"


@pytest.mark.parametrize(
    ("room", "name", "bad", "good"),
    [("monitoring", "DriftAlarm", 1.0, 0.0), ("reconciling", "ReconcileBehindAlarm", 50.0, 2.0)],
)
def test_one_value_a_day_is_heard_and_a_day_without_one_too(
    root: Path, room: str, name: str, bad: float, good: float
) -> None:
    """Leanly deployed, what a daily run finds rings among 25 hours without a value, and 26 such hours say so."""
    template = parsed((root / room / "template.yaml").read_text("utf-8"))
    lean_alarm = resolved(template, parameters(root / room))["Resources"][name]["Properties"]
    hours = [None] * 25

    assert int(lean_alarm["EvaluationPeriods"]) == len(hours) + 1
    assert state(lean_alarm, [*hours, bad]) == "ALARM"
    assert state(lean_alarm, [good, *hours]) == "OK"
    assert state(lean_alarm, [None, *hours]) == "INSUFFICIENT_DATA"
    assert lean_alarm["InsufficientDataActions"] == lean_alarm["AlarmActions"]


def test_an_unknown_comparison_changes_nothing() -> None:
    """An anomaly band needs a model that is not here."""
    assert state(alarm(ComparisonOperator="GreaterThanUpperThreshold"), [9.0]) is None


def test_points_fall_into_the_clock_s_periods() -> None:
    """The newest period is the present one; what is older than the alarm looks is left out."""
    points = [{"Timestamp": NOW - age} for age in (0, 60, 121, 10_000)]

    found = periods(points, 60, 3, NOW)

    assert [len(each) for each in found] == [1, 1, 1]


def of(metric: str) -> dict[str, Any]:
    """A metric that an alarm reckons with."""
    return {
        "Id": metric,
        "ReturnData": False,
        "MetricStat": {"Metric": {"MetricName": metric}, "Period": 60, "Stat": "Sum"},
    }


def test_an_expression_is_reckoned_period_by_period() -> None:
    """Each of three periods by its own values; the metric that is silent is filled."""
    told = {"refused": [1.0, None, 2.0], "taken": [None, 4.0, 2.0]}
    share = {"Id": "share", "Expression": "FILL(refused, 0) / (FILL(refused, 0) + FILL(taken, 0))", "ReturnData": True}
    several = alarm(Metrics=[share, of("refused"), of("taken")], EvaluationPeriods=3)

    assert values(several, lambda metric, *_: told[metric["MetricName"]]) == [1.0, 0.0, 0.5]


@pytest.mark.parametrize(
    "expression", ["ANOMALY_DETECTION_BAND(m)", "m1", "m[0]", "__import__('os')", "1 +", "(" * 500]
)
def test_what_is_not_known_is_not_guessed(expression: str) -> None:
    """Neither another function nor what is no metric math gives a value."""
    several = alarm(Metrics=[{"Id": "e", "Expression": expression}, of("m")])

    with pytest.raises(UnknownMathError):
        values(several, lambda *_: [1.0])
