"""EventBridge: a target that may not be reached, or is not there, is a failed delivery, and does not go unnoticed."""

import contextvars
import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, eventbridge, lambda_svc, sqs, stepfunctions

from local.engine.journal import Journal
from local.engine.patches import iam
from local.engine.scopes import in_scope, known_as
from local.engine.task_calls import Call

SERVICE = "events.amazonaws.com"
KIND = "invocation"


@dataclass
class Delivery:
    """One event on its way to one target of one rule."""

    rule: dict[str, Any]
    target: dict[str, Any]
    # Why it did not arrive: AWS's code and a sentence.
    failures: list[tuple[str, str]] = field(default_factory=list)


_delivery: contextvars.ContextVar[Delivery] = contextvars.ContextVar("event on its way to a target")


def keep_what_is_not_delivered() -> None:
    """What a target does not take is forgotten here; in AWS it becomes a letter, or is counted where there is no queue.

    "For errors that result from missing permissions to a target, or if a target resource that no longer exists, no
    retry attempts will happen until action is taken to resolve the underlying issue. EventBridge sends these events
    directly to the target DLQ" (Amazon EventBridge User Guide, rule-dlq, read 28 November 2026)
    """
    invoke = eventbridge._invoke_target

    def invoke_or_keep(target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None) -> None:
        delivery = Delivery(rule, target)
        with known_as(_delivery, delivery):
            invoke(target, event, rule, view)
        count(rule, "Invocations")
        for code, reason in delivery.failures:
            content = (view or eventbridge._pattern_event_view(event)).event_with_detail()
            keep(delivery, json.dumps(content), code, reason)

    eventbridge._invoke_target = invoke_or_keep


def keep(delivery: Delivery, event: str, code: str, reason: str) -> None:
    """Put an event that its target did not take into the target's dead-letter queue, or count it as lost."""
    count(delivery.rule, "FailedInvocations")
    queue_arn = (delivery.target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        return
    if refused_by_queue(queue_arn, delivery.rule["Arn"]):
        count(delivery.rule, "InvocationsFailedToBeSentToDlq")
        return
    told = {
        "RULE_ARN": delivery.rule["Arn"],
        "TARGET_ARN": delivery.target["Arn"],
        "ERROR_CODE": code,
        "ERROR_MESSAGE": reason,
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    url = sqs._queue_by_arn(queue_arn)["url"]
    sqs._act_send_message({"QueueUrl": url, "MessageBody": event, "MessageAttributes": attributes}, url)
    count(delivery.rule, "InvocationsSentToDlq")


def count(rule: dict[str, Any], metric: str) -> None:
    """Count for a rule as AWS/Events does: with the bus as a second dimension where it is not the default one."""
    dimensions = {"RuleName": rule["Name"]}
    if rule.get("EventBusName", "default") != "default":
        dimensions["EventBusName"] = rule["EventBusName"]
    cloudwatch.record_metric("AWS/Events", metric, 1, "Count", dimensions)


def ask_before_delivering(journal: Journal) -> None:
    """A queue's policy is asked, for a workflow the role that the target names, for a function whether it is there."""
    to_queue, to_workflow = eventbridge._dispatch_to_sqs, eventbridge._dispatch_to_stepfunctions

    def to_queue_if_allowed(queue: Any, payload: str, parameters: Any = None) -> None:
        delivery = _delivery.get()
        failure = refused_by_queue(str(queue), delivery.rule["Arn"])
        if failure:
            delivery.failures.append(failure)
        else:
            to_queue(queue, payload, parameters)

    def to_workflow_if_allowed(arn: str, payload: str) -> None:
        delivery = _delivery.get()
        failure = refused_by_role(delivery.target.get("RoleArn"), arn)
        if failure:
            delivery.failures.append(failure)
        else:
            to_workflow(arn, payload)

    def to_function(arn: str, payload: str) -> None:
        if lambda_svc._get_func_record_for_ref(arn)[0]:
            invoke_later(journal, arn, json.loads(payload))
        else:
            _delivery.get().failures.append(("RESOURCE_NOT_FOUND", f"{arn} does not exist."))

    eventbridge._dispatch_to_sqs = to_queue_if_allowed
    eventbridge._dispatch_to_stepfunctions = to_workflow_if_allowed
    eventbridge._dispatch_to_lambda = to_function


def refused_by_queue(queue_arn: str, rule_arn: str) -> tuple[str, str] | None:
    """Why a rule may not send to a queue."""
    if sqs._queue_by_arn(queue_arn) is None:
        return "RESOURCE_NOT_FOUND", f"{queue_arn} does not exist."
    if not sqs.queue_policy_allows(queue_arn, SERVICE, rule_arn, get_account_id()):
        return "NO_PERMISSIONS", f"The policy of {queue_arn} does not let {rule_arn} send to it."
    return None


def refused_by_role(role_arn: str | None, machine_arn: str) -> tuple[str, str] | None:
    """Why a target's role may not start a workflow."""
    if stepfunctions._resolve_state_machine_arn(machine_arn) is None:
        return "RESOURCE_NOT_FOUND", f"{machine_arn} does not exist."
    if not role_arn:
        return "NO_PERMISSIONS", f"The target names no role that may start {machine_arn}."
    call = Call("states", "states:StartExecution", machine_arn)
    reason = iam.refusal(role_arn, "events", call, parse_arn(machine_arn).region)
    return ("NO_PERMISSIONS", reason) if reason else None


def invoke_later(journal: Journal, function_arn: str, event: Any) -> None:
    """Call a function and wait for nothing; the call is in the journal until the function has ended."""
    key = [str(uuid.uuid4())]
    scope = [get_account_id(), get_region()]
    journal.put(KIND, key, {"scope": scope, "function": function_arn, "event": event})

    def invoke() -> None:
        function, config, _ = lambda_svc._get_func_record_for_ref(function_arn)
        if function and config:
            record = lambda_svc._execution_record_for_config(function, config)
            lambda_svc._execute_function_with_config_scope(record, event)
        journal.delete(KIND, key)

    threading.Thread(target=in_scope, args=(*scope, invoke), daemon=True).start()


def resume_invocations(journal: Journal) -> None:
    """Call the functions that the last stop cut off or kept waiting."""
    for key, call in list(journal.read(KIND)):
        in_scope(*call["scope"], invoke_later, journal, call["function"], call["event"])
        journal.delete(KIND, key)
