"""CloudWatch's alarms."""

import time
from typing import Any

from ministack.services import (
    cloudwatch,
)

from local.engine import alarms


def evaluate_alarms_by_dimension() -> None:
    """MiniStack mixes the metrics of all dimensions, and all periods of an alarm, and says nothing to missing data."""

    def evaluate(alarm: dict[str, Any]) -> None:
        if not alarm.get("MetricName"):
            return
        dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
        points = cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or []
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        values = [
            cloudwatch._stat_value(cloudwatch._calc_stats(found), statistic, found) if found else None
            for found in alarms.periods(points, alarm, time.time())
        ]
        before, now = alarm["StateValue"], alarms.state(alarm, values)
        if now is None or now == before:
            return
        reason = f"{statistic} {values[0]}, {alarm['ComparisonOperator']} {alarm.get('Threshold')}"
        alarm |= {"StateValue": now, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
        cloudwatch._record_history(alarm["AlarmName"], before, now, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, now, reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    cloudwatch._evaluate_alarm = evaluate
