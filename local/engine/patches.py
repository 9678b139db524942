"""Everything changed in MiniStack, each with its reason.

A patch is a last resort: whatever an environment variable or a public interface can do is done there.
Each has a test that shows the defect in MiniStack as it is published, and so fails when it is mended.
"""

import asyncio
import contextlib
import contextvars
import copy
import functools
import hashlib
import hmac
import json
import queue
import re
import socketserver
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, persistence
from ministack.core.responses import get_account_id, get_region, set_request_account_id, set_request_region
from ministack.services import (
    cloudformation,
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    eventbridge,
    lambda_svc,
    s3,
    stepfunctions,
    sts,
)
from ministack.services.cloudformation import provisioners

from local.credentials import Credentials
from local.engine import alarms
from local.engine.journal import Journal
from local.engine.lambda_worker.runtime_client import END_OF_LOG, WORKER_HEADER


def apply(
    workers_per_function: int, journal: Journal, root: Credentials, sagemaker_url: Callable[[], str | None]
) -> None:
    """Change this process's MiniStack, which must be of the version in local/engine/process.py."""
    write_items_through(journal)
    write_executions_through(journal)
    write_events_through(journal)
    leave_logs_to_the_journal()
    restore_from(journal)
    answer_runtime_api_at_once()
    end_logs_at_the_mark()
    queue_invocations(workers_per_function)
    name_versions_in_object_events()
    accept_metric_math_alarms()
    evaluate_alarms_by_dimension()
    settle_interrupted_stacks()
    match_line_breaks_in_policies()
    tell_policies_the_namespace()
    reach_sagemaker(sagemaker_url, root)
    keep_functions_keys_secret(root)
    ask_workers_for_their_secret(root)


def answer_runtime_api_at_once() -> None:
    """The Lambda runtime API writes headers and body apart; Nagle's algorithm holds the second back 40 ms."""
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True


def end_logs_at_the_mark() -> None:
    """After each invocation MiniStack waits 5 to 50 ms for log lines, and under load still misses some.

    The worker marks the end of each invocation's log, so the engine reads up to the mark and no further.
    """
    original = lambda_runtime.ProvidedWorker._drain_stderr_bounded

    def drain(worker: Any, *arguments: Any, **options: Any) -> str:
        if arguments or options:  # a failed start, where no mark comes
            return str(original(worker, *arguments, **options))
        return "\n".join(log_to_mark(worker._stderr_queue, patience_seconds=1.0))

    lambda_runtime.ProvidedWorker._drain_stderr_bounded = drain


def log_to_mark(lines: "queue.Queue[str]", patience_seconds: float) -> list[str]:
    """The lines up to the mark, or what came within the patience (a handler may end the process)."""
    found: list[str] = []
    deadline = time.monotonic() + patience_seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line.endswith(END_OF_LOG):
            return [*found, *filter(None, [line.removesuffix(END_OF_LOG)])]
        found.append(line)
    return found


class Turns:
    """At most so many at a time for each name; the rest wait, first come first served.

    A turn taken within a turn for the same name is the same turn, and ends when both have: a state that
    times out goes on without its function, which is still running and still counts.
    """

    def __init__(self, at_a_time: int) -> None:
        self._at_a_time = at_a_time
        self._lock = threading.Lock()
        self._semaphores: dict[str, threading.Semaphore] = {}
        self._current: contextvars.ContextVar[_Turn | None] = contextvars.ContextVar("turn", default=None)

    @contextlib.contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Wait for a turn and hold it."""
        turn = self._current.get()
        if turn is None or not turn.join(name):
            with self._lock:
                semaphore = self._semaphores.setdefault(name, threading.Semaphore(self._at_a_time))
            semaphore.acquire()
            turn = _Turn(name, semaphore)
        token = self._current.set(turn)
        try:
            yield
        finally:
            self._current.reset(token)
            turn.leave()


class _Turn:
    def __init__(self, name: str, semaphore: threading.Semaphore) -> None:
        self._name = name
        self._semaphore = semaphore
        self._lock = threading.Lock()
        self._holders = 1

    def join(self, name: str) -> bool:
        with self._lock:
            joined = name == self._name and self._holders > 0
            self._holders += joined
            return joined

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._semaphore.release()


def queue_invocations(workers_per_function: int) -> None:
    """MiniStack starts one interpreter for each concurrent invocation: 50 uploads bring a laptop down.

    Here at most N invocations of a function run and the rest wait. A state's time-out begins with its
    turn, because in AWS, where nothing waits, it would begin then too.
    """
    turns = Turns(workers_per_function)
    invoke = lambda_svc._execute_function_provided_warm
    invoke_within = stepfunctions._invoke_resource_with_timeout

    def invoke_in_turn(function: dict[str, Any], event: Any, request_id: str) -> Any:
        config = function.get("config") or function
        with turns.take(config.get("FunctionName", "")):
            return invoke(function, event, request_id)

    def invoke_within_in_turn(resource: str, input_data: Any, timeout: float) -> Any:
        name = invoked_function(resource, input_data)
        with turns.take(name) if name else contextlib.nullcontext():
            return invoke_within(resource, input_data, timeout)

    lambda_svc._execute_function_provided_warm = invoke_in_turn
    stepfunctions._invoke_resource_with_timeout = invoke_within_in_turn


def invoked_function(resource: str, input_data: Any) -> str:
    """The name of the function a task state calls, or nothing when it calls none."""
    if "states:::lambda:invoke" in resource and isinstance(input_data, dict):
        reference = str(input_data.get("FunctionName", ""))
    elif ":lambda:" in resource:
        reference = resource
    else:
        return ""
    return reference.split(":function:", 1)[-1].split(":", 1)[0]


def name_versions_in_object_events() -> None:
    """S3's events to EventBridge lack `version-id`, which AWS sends for every versioned bucket."""
    versions: contextvars.ContextVar[str | None] = contextvars.ContextVar("version of the event", default=None)
    fire = s3._fire_s3_event
    dispatch = eventbridge._dispatch_event

    def fire_with_version(*arguments: Any, **options: Any) -> None:
        token = versions.set(options.get("version_id"))
        try:
            fire(*arguments, **options)
        finally:
            versions.reset(token)

    def dispatch_with_version(event: dict[str, Any], view: Any = None) -> Any:
        version = versions.get()
        if version and event.get("Source") == "aws.s3":
            event = {**event, "Detail": with_version(event["Detail"], version)}
        return dispatch(event, view)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


def with_version(detail: str, version: str) -> str:
    """The event's detail with the object's version in it."""
    parsed = json.loads(detail)
    return json.dumps({**parsed, "object": {**parsed["object"], "version-id": version}})


def accept_metric_math_alarms() -> None:
    """CloudFormation here refuses alarms over several metrics; they are kept, though never evaluated."""
    record = provisioners._cw_metric_alarm_record

    def record_with_metrics(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        metrics = properties.get("Metrics")
        if not metrics:
            return dict(record(name, properties))
        single = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = record(name, {**single, "MetricName": "-", "Namespace": "-"})
        return {**alarm, "MetricName": None, "Namespace": None, "Metrics": metrics}

    provisioners._cw_metric_alarm_record = record_with_metrics


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


INTERRUPTED_STACKS = {
    "CREATE_IN_PROGRESS": "ROLLBACK_COMPLETE",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
}


def settle_interrupted_stacks() -> None:
    """A stack whose deployment was cut off stays "in progress" for good; nothing can be deployed to it again."""
    restore = cloudformation.load_persisted_state

    def restore_and_settle(data: dict[str, Any]) -> None:
        restore(data)
        for _, stack in cloudformation._stacks.all_items():
            stack["StackStatus"] = INTERRUPTED_STACKS.get(stack["StackStatus"], stack["StackStatus"])

    cloudformation.load_persisted_state = restore_and_settle


def match_line_breaks_in_policies() -> None:
    """A policy's `*` and `?` stop at a line break here, so a role may not read a key that has one."""
    iam_evaluator._fnmatch_compile = policy_pattern


@functools.lru_cache(4096)
def policy_pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """An IAM wildcard as a regular expression that matches a whole value and nothing less."""
    words = {"*": ".*", "?": "."}
    text = "".join(words.get(character) or re.escape(character) for character in pattern)
    return re.compile(rf"{text}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def tell_policies_the_namespace() -> None:
    """A role that may publish metrics in one namespace only may publish none: policies are not told which it is."""
    context_of = iam_actions.request_tag_context

    def context_with_namespace(service: str, action: str, body: bytes, parameters: dict[str, Any]) -> dict[str, Any]:
        found = dict(context_of(service, action, body, parameters))
        if action == "cloudwatch:PutMetricData":
            found["cloudwatch:namespace"] = namespace_of(body)
        return found

    iam_actions.request_tag_context = context_with_namespace


def namespace_of(body: bytes) -> str:
    """The namespace of a PutMetricData request, as today's SDKs write it in JSON and older ones in a query."""
    with contextlib.suppress(ValueError):
        found = json.loads(body) if body[:1] == b"{" else dict(urllib.parse.parse_qsl(body.decode()))
        return str(found.get("Namespace", ""))
    return ""


def reach_sagemaker(url: Callable[[], str | None], root: Credentials) -> None:
    """MiniStack has no SageMaker, and so no tasks for it: both forms of a task state call the one beside it."""

    def run_task(resource: str, parameters: Any) -> dict[str, Any]:
        from local.sagemaker.control import integration  # noqa: PLC0415 - few workflows have such a task

        try:
            return integration.perform(resource, parameters, url(), root)
        except integration.TaskError as error:
            raise stepfunctions._ExecutionError(error.error, error.cause) from error

    async def forward(
        _method: str, _path: str, headers: dict[str, str], body: Any, _query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        own = {"authorization": f"Bearer {root.secret_access_key}"}
        return await asyncio.to_thread(_post, url(), {**_lower(headers), **own}, body)

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sagemaker:"] = run_task
    stepfunctions._AWS_SDK_SERVICE_MAP["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}
    stepfunctions._AWS_SDK_ERROR_PREFIX["sagemaker"] = "SageMaker"
    app.SERVICE_HANDLERS["sagemaker"] = forward


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _post(url: str | None, headers: dict[str, str], body: Any) -> tuple[int, dict[str, str], bytes]:
    """A JSON request as MiniStack makes it for its own services, sent on to another process."""
    data = body.encode() if isinstance(body, str) else bytes(body)
    kept = {name: value for name, value in headers.items() if name not in ("host", "content-length")}
    try:
        request = urllib.request.Request(f"{url}/", data, kept, method="POST")  # noqa: S310 - our own http address
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
    except (OSError, ValueError):
        message = "The local SageMaker does not run. Start it with: vehiclevision up"
        return 503, {}, json.dumps({"__type": "ServiceUnavailable", "message": message}).encode()


# ---- who may come in -----------------------------------------------------------------------------


def secret_of(access_key_id: str, root: Credentials) -> str | None:
    """The secret of a key that signed a request: the root user's, a function's, or what IAM or STS made."""
    if access_key_id == root.access_key_id:
        return root.secret_access_key
    # MiniStack takes these for the root user without looking at the signature.
    if iam_evaluator.is_root_access_key(access_key_id):
        return None
    try:
        account = iam_evaluator.find_iam_access_key_account(access_key_id)
    except iam_evaluator.AmbiguousAccessKeyError:
        return None
    credential = iam_evaluator.resolve_credential(access_key_id, account)
    return getattr(credential, "secret_access_key", None)


def keep_functions_keys_secret(root: Credentials) -> None:
    """MiniStack makes the key of a function's role, secret and all, from the names of both, which a template says."""
    original = lambda_runtime.execution_credentials

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        made = dict(original(config))
        key = made["AWS_ACCESS_KEY_ID"]
        made |= {"AWS_SECRET_ACCESS_KEY": root.derived(key), "AWS_SESSION_TOKEN": root.derived(f"token of {key}")}
        sts._sessions[key] |= {"SecretAccessKey": root.derived(key), "SessionToken": made["AWS_SESSION_TOKEN"]}
        return made

    # Both modules hold it by name.
    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = credentials


def ask_workers_for_their_secret(root: Credentials) -> None:
    """The runtime API of each worker listens on a port of its own, and hands work to whoever asks for it first."""
    original = lambda_runtime.ProvidedWorker._build_handler_class
    secret = root.worker_secret.encode()

    def build(worker: Any, *arguments: Any, **options: Any) -> Any:
        class Guarded(original(worker, *arguments, **options)):  # type: ignore[misc]
            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                if not hmac.compare_digest(self.headers.get(WORKER_HEADER, "").encode(), secret):
                    self.send_error(403)
                    return False
                return True

        return Guarded

    lambda_runtime.ProvidedWorker._build_handler_class = build


# ---- surviving kill -9 ---------------------------------------------------------------------------
#
# MiniStack saves its state at a clean stop only, and as a whole. What grows with use goes to the journal
# entry by entry, as it happens; what is small and changes with a deployment is saved by `Saver`.

SAVE_SECONDS = 2.0
UNCHANGED_STREAMS_IN_A_ROW = 200


def write_items_through(journal: Journal) -> None:
    """Each DynamoDB write is in the journal before it is answered."""
    set_item, remove_item, items_replaced = dynamodb._set_item, dynamodb._remove_item, dynamodb._items_replaced

    def set_and_write(table: dict[str, Any], partition: str, sort: str, item: dict[str, Any]) -> Any:
        old = set_item(table, partition, sort, item)
        journal.put("item", [table["TableId"], partition, sort], item)
        return old

    def remove_and_write(table: dict[str, Any], partition: str, sort: str) -> Any:
        old = remove_item(table, partition, sort)
        journal.delete("item", [table["TableId"], partition, sort])
        return old

    def replace_and_write(table: dict[str, Any]) -> None:
        items_replaced(table)
        for key, _ in journal.read("item"):
            if key[0] == table["TableId"]:
                journal.delete("item", key)
        entries = [
            ([table["TableId"], partition, sort], item)
            for partition, items in table["items"].items()
            for sort, item in items.items()
        ]
        journal.put_all("item", entries)

    dynamodb._set_item = set_and_write
    dynamodb._remove_item = remove_and_write
    dynamodb._items_replaced = replace_and_write
    names = (
        *("tags", "ttl_settings", "pitr_settings", "kinesis_destinations", "contributor_insights"),
        *("backups", "resource_policies", "exports", "imports"),
    )

    def state_without_items() -> dict[str, Any]:
        tables = type(dynamodb._tables)()
        for (account, region, name), table in dynamodb._tables.all_items():
            kept = {field: value for field, value in table.items() if field not in ("items", dynamodb._INDEX_MEMBERS)}
            tables.set_scoped(account, region, name, {**copy.deepcopy(kept), "items": {}})
        return {"tables": tables, **{name: copy.deepcopy(getattr(dynamodb, f"_{name}")) for name in names}}

    dynamodb.get_state = state_without_items


def write_executions_through(journal: Journal) -> None:
    """An execution is in the journal when it starts and when it ends; its history then leaves the memory.

    MiniStack keeps every history for good, some 100 KB each with a picture in it.
    """
    emit, describe_history = stepfunctions._emit_execution_status_event, stepfunctions._get_execution_history
    lock = threading.Lock()

    def write_and_emit(execution: dict[str, Any]) -> None:
        arn = execution["executionArn"]
        if execution["status"] != "RUNNING":
            with lock:
                journal.put("history", [arn], execution["events"])
                execution["events"] = []
        journal.put("execution", [arn], execution)
        emit(execution)

    def recall_and_describe(data: dict[str, Any]) -> Any:
        execution = stepfunctions._executions.get(data.get("executionArn"))
        if execution is None or execution["status"] == "RUNNING":
            return describe_history(data)
        with lock:
            stored = journal.get("history", [execution["executionArn"]])
            if stored is None:
                return describe_history(data)
            execution["events"] = stored
            answer = describe_history(data)
            execution["events"] = []
        return answer

    stepfunctions._emit_execution_status_event = write_and_emit
    stepfunctions._get_execution_history = recall_and_describe
    names = ("state_machines", "tags", "activities", "state_machine_versions", "state_machine_aliases", "map_runs")

    def state_without_executions() -> dict[str, Any]:
        return {"executions": {}, **{name: copy.deepcopy(getattr(stepfunctions, f"_{name}")) for name in names}}

    stepfunctions.get_state = state_without_executions


def write_events_through(journal: Journal) -> None:
    """An object's event is in the journal from before the upload is answered until all its targets have it."""
    pending: contextvars.ContextVar[str] = contextvars.ContextVar("event not delivered yet", default="")
    fire_later, fire = s3._fire_s3_event_async, s3._fire_s3_event

    def write_and_fire_later(bucket: str, *arguments: Any, **options: Any) -> None:
        if bucket not in s3._bucket_notifications:
            return
        event = str(uuid.uuid4())
        scope = [get_account_id(), get_region()]
        journal.put("event", [event], {"scope": scope, "arguments": [bucket, *arguments], "options": options})
        token = pending.set(event)
        try:
            fire_later(bucket, *arguments, **options)
        finally:
            pending.reset(token)

    def fire_and_forget(*arguments: Any, **options: Any) -> None:
        fire(*arguments, **options)
        if pending.get():
            journal.delete("event", [pending.get()])

    s3._fire_s3_event_async = write_and_fire_later
    s3._fire_s3_event = fire_and_forget


def leave_logs_to_the_journal() -> None:
    """A service's state without its log streams, each of which is an entry of its own."""
    names = (
        *("destinations", "resource_policies", "log_group_policies", "metric_filters", "queries", "log_records"),
        *("delivery_sources", "delivery_destinations", "deliveries"),
    )

    def state_without_streams() -> dict[str, Any]:
        groups = type(cloudwatch_logs._log_groups)()
        for (account, region, name), group in cloudwatch_logs._log_groups.all_items():
            kept = {field: value for field, value in group.items() if field != "streams"}
            groups.set_scoped(account, region, name, {**copy.deepcopy(kept), "streams": {}})
        others = {name: copy.deepcopy(getattr(cloudwatch_logs, f"_{name}")) for name in names}
        return {"log_groups": groups, **others}

    cloudwatch_logs.get_state = state_without_streams


def restore_from(journal: Journal) -> None:
    """Put back what the journal holds once MiniStack has restored the rest."""
    restore, reset = app._load_persisted_state, app._reset_all_state

    def restore_all() -> None:
        restore()
        restore_items(journal)
        restore_executions(journal)
        restore_streams(journal)

    def reset_all() -> None:
        reset()
        journal.clear()

    app._load_persisted_state = restore_all
    app._reset_all_state = reset_all


def restore_items(journal: Journal) -> None:
    """Rows into the tables they belong to; rows of deleted tables are dropped."""
    tables = {table["TableId"]: table for table in dynamodb._tables.all_values()}
    for table in tables.values():
        table["items"] = defaultdict(dict)
    for (table_id, partition, sort), item in journal.read("item"):
        if table_id in tables:
            tables[table_id]["items"][partition][sort] = item
        elif tables:
            journal.delete("item", [table_id, partition, sort])
    for table in tables.values():
        dynamodb._update_counts(table)


def restore_executions(journal: Journal) -> None:
    """All executions; the histories of finished ones stay in the journal until asked for."""
    for (arn,), execution in journal.read("execution"):
        stepfunctions._executions.set_scoped(*scope_of(arn), arn, execution)


def restore_streams(journal: Journal) -> None:
    """Log streams into the groups they belong to."""
    groups = dict(cloudwatch_logs._log_groups.all_items())
    for (account, region, name, stream_name), stream in journal.read("stream"):
        group = groups.get((account, region, name))
        if group is not None:
            group["streams"][stream_name] = stream
        elif groups:
            journal.delete("stream", [account, region, name, stream_name])


def resume(journal: Journal) -> None:
    """Start again what the last stop cut off: undelivered events, and executions from their first state.

    AWS never loses either. The workflow may see an image twice, as it may in AWS.
    """
    for key, event in list(journal.read("event")):
        journal.delete("event", key)
        bucket, name, what, *_ = event["arguments"]
        if what.startswith("s3:ObjectCreated:") and name not in (s3._buckets.get(bucket) or {}).get("objects", {}):
            continue  # the stop came before the upload was stored, and nobody was told that it was
        _in_scope(*event["scope"], s3._fire_s3_event_async, *event["arguments"], **event["options"])
    for (_, _, arn), execution in stepfunctions._executions.all_items():
        if execution["status"] == "RUNNING":
            run = threading.Thread(
                target=_in_scope, args=(*scope_of(arn), stepfunctions._run_execution, arn), daemon=True
            )
            run.start()


def scope_of(arn: str) -> tuple[str, str]:
    """The account and region of an ARN."""
    parts = arn.split(":")
    return parts[4], parts[3]


def _in_scope(account: str, region: str, function: Callable[..., None], *arguments: Any, **options: Any) -> None:
    def run() -> None:
        set_request_account_id(account)
        set_request_region(region)
        function(*arguments, **options)

    contextvars.copy_context().run(run)


class Saver:
    """Saves what MiniStack keeps outside the journal, some seconds after it changed, without being asked.

    The work grows with the number of resources and of new log streams, not with what was ever processed.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._saved: dict[str, str] = {}
        self._requests_seen = 0
        self._streams: dict[tuple[str, ...], int] = {}
        self.requests = 0

    def watch(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """The ASGI application with its requests counted: without a request, nothing changes.

        Loopback counts as TLS, which bucket and queue policies demand.
        """

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
            await application(scope, receive, send)
            self.requests += 1

        return counted

    def run(self) -> None:
        """Save for ever."""
        while True:
            time.sleep(SAVE_SECONDS)
            with contextlib.suppress(RuntimeError):  # a dictionary changed under the copy: next time
                self.save()

    def save(self) -> None:
        """Save all that changed since it was saved last."""
        self._save_streams()
        seen = self.requests
        if seen != self._requests_seen:
            self._save_services()
            self._requests_seen = seen

    def save_at_the_end(self) -> None:
        """The log streams; MiniStack has saved its services by now."""
        with contextlib.suppress(RuntimeError):
            self._save_streams()

    def _save_services(self) -> None:
        for service, get_state in app._build_persistence_save_dict().items():
            state = get_state()
            text = json.dumps(state, default=persistence._json_default)
            digest = hashlib.sha256(text.encode()).hexdigest()
            if self._saved.get(service) != digest:
                persistence.save_state(service, state)
                self._saved[service] = digest

    def _save_streams(self) -> None:
        changed = []
        for (account, region, name), group in cloudwatch_logs._log_groups.all_items():
            unchanged = 0
            for stream_name, stream in reversed(list(group["streams"].items())):
                key = (account, region, name, stream_name)
                if self._streams.get(key) == len(stream["events"]):
                    unchanged += 1
                    if unchanged > UNCHANGED_STREAMS_IN_A_ROW:
                        break  # new streams come last
                    continue
                self._streams[key] = len(stream["events"])
                changed.append((key, stream))
        if changed:
            self._journal.put_all("stream", changed[::-1])
