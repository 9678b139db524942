"""CloudWatch: metrics of what happens here, and alarms that ring by them."""

import functools
import itertools
import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ministack.services import cloudwatch, eventbridge, lambda_svc, sqs, stepfunctions

from local.engine import alarms
from local.engine.embedded_metrics import metrics_in
from local.engine.journal import Journal
from local.engine.metric_math import UnknownMathError
from local.engine.scopes import in_scope, scope_of, state_of

EVALUATE_SECONDS = 5.0
# Values that are equal and so near each other are kept as one point with a count: what alarms look at is longer.
TOGETHER_SECONDS = 10
# Points of one metric that were added together are looked for among so many.
LOOKED_BACK = 8
EVICT_SECONDS = 3600.0
# How long an alarm stays in the state that somebody gave it by hand, unless somebody sends a metric.
BY_HAND_SECONDS = 60.0
KIND: Final = "metric"
# What became of a run, in AWS/States.
ENDS: Final = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "ABORTED": "ExecutionsAborted",
    "TIMED_OUT": "ExecutionsTimedOut",
}

_log = logging.getLogger(__name__)
_started = time.time()
_set_by_hand: dict[str, float] = {}
_evicted = [_started]
_changed: set[tuple[str, str, tuple[str, str, str], int]] = set()


# ---- metrics -------------------------------------------------------------------------------------


class Points(list[dict[str, Any]]):
    """A metric's points; those that are equal and near each other are one with a count."""

    def __init__(self, account: str, region: str, key: tuple[str, str, str], points: Sequence[dict[str, Any]]) -> None:
        super().__init__(points)
        self._scope = (account, region, key)

    def append(self, point: dict[str, Any]) -> None:
        """Add a point."""
        _changed.add((*self._scope, int(point["Timestamp"] // 60)))
        for last in itertools.islice(reversed(self), LOOKED_BACK):
            if _alike(last, point):
                last["Count"] = last.get("Count", 1.0) + point.get("Count", 1.0)
                return
        super().append(point)


def _alike(last: Mapping[str, Any], point: Mapping[str, Any]) -> bool:
    near = last["Timestamp"] // TOGETHER_SECONDS == point["Timestamp"] // TOGETHER_SECONDS
    return bool(near and last["Value"] == point["Value"] and "_stat" not in last and "_stat" not in point)


def gather_points() -> None:
    """Points are gathered in tens of seconds, looked through for old ones once an hour, and not saved with the rest."""
    evict, bucket_of, full_state = cloudwatch._evict_old_metrics, cloudwatch._metric_bucket, cloudwatch.get_state

    def points_of(key: tuple[str, str, str]) -> Points:
        points = bucket_of(key)
        if not isinstance(points, Points):
            points = Points(cloudwatch.get_account_id(), cloudwatch.get_region(), key, points)
            cloudwatch._metrics[key] = points
        return points

    def evict_now_and_then() -> None:
        if time.time() - _evicted[0] > EVICT_SECONDS:
            _evicted[0] = time.time()
            evict()

    def state_without_metrics() -> dict[str, Any]:
        names = ("alarms", "composite_alarms", "composite_triggers", "alarm_history", "dashboards", "resource_tags")
        return state_of(cloudwatch, *names)

    cloudwatch._metric_bucket = points_of
    cloudwatch._evict_old_metrics = evict_now_and_then
    cloudwatch.get_state = functools.wraps(full_state)(state_without_metrics)


def save_metrics(journal: Journal) -> None:
    """Write down the minutes of metrics that have changed; a kill takes the last seconds with it."""
    changed = [_changed.pop() for _ in range(len(_changed))]
    entries = []
    for account, region, key, minute in changed:
        points = cloudwatch._metrics.get_scoped(account, region, key) or ()
        of_minute = [point for point in list(points) if int(point["Timestamp"] // 60) == minute]
        entries.append((KIND, [account, region, *key, str(minute)], of_minute))
    if entries:
        journal.put_all(entries)


def restore_metrics(journal: Journal) -> None:
    """Two weeks of metrics; what is older is forgotten."""
    oldest = (time.time() - cloudwatch.TWO_WEEKS_SECONDS) // 60
    restored: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for (*scope_and_key, minute), points in list(journal.read(KIND)):
        if int(minute) < oldest:
            journal.delete(KIND, [*scope_and_key, minute])
        else:
            restored.setdefault(tuple(scope_and_key), []).extend(points)
    for (account, region, *key), points in restored.items():
        points.sort(key=lambda point: float(point["Timestamp"]))
        cloudwatch._metrics.set_scoped(account, region, tuple(key), points)


def count_what_happens() -> None:
    """Functions' embedded metrics, and AWS/Lambda for every call, of which MiniStack counts direct ones only."""
    write_logs = lambda_svc._emit_lambda_logs

    def write_logs_and_count(
        function: Mapping[str, Any], request: str, log: str, error: bool, milliseconds: int, **options: Any
    ) -> None:
        write_logs(function, request, log, error, milliseconds, **options)
        config = function.get("config") or function
        own = {"FunctionName": config.get("FunctionName", "unknown")}
        cloudwatch.record_metric("AWS/Lambda", "Invocations", 1, "Count", own)
        cloudwatch.record_metric("AWS/Lambda", "Errors", float(error), "Count", own)
        cloudwatch.record_metric("AWS/Lambda", "Duration", milliseconds, "Milliseconds", own)
        for line in log.splitlines():
            for namespace, name, point in metrics_in(line, time.time()):
                key = (namespace, name, cloudwatch._dims_key(point["Dimensions"]))
                cloudwatch._metric_bucket(key).append(point)

    def count_throttles(name: str, duration_ms: float, *, throttle: bool, **_: Any) -> None:
        # A direct call that is throttled is told here twice, the second time with how long that took.
        if throttle and not duration_ms:
            cloudwatch.record_metric("AWS/Lambda", "Throttles", 1, "Count", {"FunctionName": name})

    lambda_svc._emit_lambda_logs = write_logs_and_count
    lambda_svc._emit_lambda_metrics = count_throttles


def count_executions() -> None:
    """AWS/States, of which MiniStack counts nothing."""
    tell = stepfunctions._emit_execution_status_event

    def count_and_tell(execution: dict[str, Any]) -> None:
        own = {"StateMachineArn": execution["stateMachineArn"]}
        if execution["status"] == "RUNNING":
            cloudwatch.record_metric("AWS/States", "ExecutionsStarted", 1, "Count", own)
        else:
            started, stopped = (datetime.fromisoformat(execution[name]) for name in ("startDate", "stopDate"))
            milliseconds = (stopped - started).total_seconds() * 1000
            cloudwatch.record_metric("AWS/States", ENDS[execution["status"]], 1, "Count", own)
            cloudwatch.record_metric("AWS/States", "ExecutionTime", milliseconds, "Milliseconds", own)
        tell(execution)

    stepfunctions._emit_execution_status_event = count_and_tell


def measure_queues() -> None:
    """AWS/SQS, for queues that hold something; of an empty one there is no data."""
    now = time.time()
    for (account, region, _), queue in sqs._queues.all_items():
        messages = list(queue["messages"])
        if messages:
            visible = sum(message["visible_at"] <= now for message in messages)
            age = now - min(float(message["sent_at"]) for message in messages)
            own = {"QueueName": queue["name"]}
            measured = (
                ("ApproximateNumberOfMessagesVisible", visible, "Count"),
                ("ApproximateAgeOfOldestMessage", int(age), "Seconds"),
            )
            for name, value, unit in measured:
                in_scope(account, region, cloudwatch.record_metric, "AWS/SQS", name, value, unit, own)


# ---- alarms --------------------------------------------------------------------------------------


def evaluate_alarms() -> None:
    """MiniStack mixes the metrics of all dimensions and all periods of an alarm, knows no metric math, and says nothing
    to missing data or to EventBridge."""
    cloudwatch._evaluate_alarm = evaluate


def take_alarms_over_several_metrics() -> None:
    """PutMetricAlarm leaves out what metric math needs."""
    put, set_state = cloudwatch._put_metric_alarm, cloudwatch._set_alarm_state

    def put_with_metrics(parameters: Any, data: Any, *protocol: bool) -> Any:
        answer = put(parameters, data, *protocol)
        if data.get("Metrics"):
            alarm = cloudwatch._alarms[data["AlarmName"]]
            alarm |= {"MetricName": None, "Namespace": None, "Metrics": data["Metrics"]}
        return answer

    def set_state_for_a_while(parameters: Any, data: Any, *protocol: bool) -> Any:
        name = data.get("AlarmName") or cloudwatch._p(parameters, "AlarmName")
        before = dict(cloudwatch._alarms.get(name) or {})
        answer = set_state(parameters, data, *protocol)
        alarm = cloudwatch._alarms.get(name)
        if alarm:
            _set_by_hand[alarm["AlarmArn"]] = time.time()
            if before["StateValue"] != alarm["StateValue"]:
                tell_bus(alarm, before["StateValue"])
        return answer

    cloudwatch._put_metric_alarm = put_with_metrics
    cloudwatch._set_alarm_state = set_state_for_a_while


def evaluate(alarm: dict[str, Any]) -> None:
    """Give an alarm the state that its metrics ask for, and tell those who want to know."""
    if not alarm.get("MetricName") and not alarm.get("Metrics"):
        return
    now = time.time()
    count = int(alarm.get("EvaluationPeriods") or 1)

    def series(metric: Mapping[str, Any], statistic: str, length: int) -> list[float | None]:
        dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
        points = list(cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or ())
        return [_statistic(each, statistic) for each in alarms.periods(points, length, count, now)]

    try:
        watched = alarms.values(alarm, series)
    except UnknownMathError as error:
        alarm["StateReason"] = f"Not evaluated here: {error}"
        return
    before, after = alarm["StateValue"], alarms.state(alarm, watched)
    if after is None or after == before or (after == alarms.ALARM and _knows_too_little(alarm, watched, now)):
        return
    reason = f"{watched[0]} in the newest of {count}, {alarm['ComparisonOperator']} {alarm.get('Threshold')}"
    alarm |= {"StateValue": after, "StateReason": reason, "StateUpdatedTimestamp": int(now)}
    cloudwatch._record_history(alarm["AlarmName"], before, after, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, after, reason)
    cloudwatch._evaluate_parent_alarms(alarm)
    tell_bus(alarm, before)


def _statistic(points: list[Mapping[str, Any]], statistic: str) -> float | None:
    return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None


def _knows_too_little(alarm: Mapping[str, Any], watched: Sequence[float | None], now: float) -> bool:
    """Whether the silence that breaches is only that of an engine, or of an alarm, that was not there yet."""
    since = max(_started, float(alarm.get("AlarmConfigurationUpdatedTimestamp") or 0))
    span = alarms.length_of(alarm) * len(watched)
    return all(value is None for value in watched) and now - since < span


def tell_bus(alarm: Mapping[str, Any], before: str) -> None:
    """The event "CloudWatch Alarm State Change", for rules that listen for it."""
    at = datetime.fromtimestamp(alarm["StateUpdatedTimestamp"], UTC).isoformat(timespec="milliseconds")
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": {"value": alarm["StateValue"], "reason": alarm["StateReason"], "timestamp": at},
        "previousState": {"value": before},
        "configuration": {"description": alarm.get("AlarmDescription") or ""},
    }
    entry = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Resources": [alarm["AlarmArn"]],
        "Detail": json.dumps(detail),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def watch() -> None:
    """Measure queues and evaluate all alarms, for ever."""
    while True:
        time.sleep(EVALUATE_SECONDS)
        measure_queues()
        for alarm in list(cloudwatch._alarms.all_values()):
            if time.time() - _set_by_hand.get(alarm["AlarmArn"], 0.0) < BY_HAND_SECONDS:
                continue
            try:
                in_scope(*scope_of(alarm["AlarmArn"]), evaluate, alarm)
            except Exception:  # one alarm that somebody wrote must not silence all others
                _log.exception("The alarm %s could not be evaluated", alarm["AlarmName"])
