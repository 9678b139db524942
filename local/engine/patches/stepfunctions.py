"""Step Functions: executions outlive the process, and their tasks do what the workflow's role allows and no more."""

import contextvars
import functools
import json
import re
import threading
from typing import Any, Final

from ministack.services import stepfunctions

from local.engine import task_calls
from local.engine.journal import Journal
from local.engine.patches import iam
from local.engine.scopes import in_scope, known_as, scope_of, state_of

# AWS's documentation names no error for a call that the role does not allow. Public execution histories show the base
# class of the service in the Java SDK: version 1 for the optimised integrations, version 2 for those of the SDK.
OPTIMISED: Final = {
    "lambda": "Lambda.AWSLambdaException",
    "dynamodb": "DynamoDB.AmazonDynamoDBException",
    "events": "EventBridge.AmazonEventBridgeException",
    "sqs": "SQS.AmazonSQSException",
    "sns": "SNS.AmazonSNSException",
    "sagemaker": "SageMaker.AmazonSageMakerException",
    "states": "StepFunctions.AWSStepFunctionsException",
}
# MiniStack's own, which tells the default event bus what has become of an execution.
TELL: Final = stepfunctions._emit_execution_status_event
EXPRESSION_MILLISECONDS: Final = 60_000
PLAIN_PATH: Final = re.compile(r"\$[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)
PLAIN_TYPES: Final = frozenset({str, bool, int, float, type(None), list, dict})
NOT_PLAIN: Final = object()
# A few hundred stand in all the templates here.
EXPRESSIONS_KEPT: Final = 4_096
_running: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("execution whose task runs")


def write_executions_through(journal: Journal) -> None:
    """An execution is in the journal when it starts and when it ends; its history then leaves the memory.

    MiniStack keeps every history for good, some 100 KB each with a picture in it. That an execution has ended, and that
    nobody was told of it yet, is written in one stroke: no end goes untold.
    """
    describe_history = stepfunctions._get_execution_history
    lock = threading.Lock()

    def write_and_tell(execution: dict[str, Any]) -> None:
        arn = execution["executionArn"]
        if execution["status"] == "RUNNING":
            journal.put("execution", [arn], execution)
            TELL(execution)
            return
        with lock:
            ended = {**execution, "events": []}
            entries = (("history", [arn], execution["events"]), ("execution", [arn], ended), ("untold", [arn], ended))
            journal.put_all(entries)
            execution["events"] = []
        TELL(ended)
        journal.delete("untold", [arn])

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

    stepfunctions._emit_execution_status_event = write_and_tell
    stepfunctions._get_execution_history = recall_and_describe
    names = ("state_machines", "tags", "activities", "state_machine_versions", "state_machine_aliases", "map_runs")

    def state_without_executions() -> dict[str, Any]:
        return state_of(stepfunctions, *names, executions={})

    stepfunctions.get_state = state_without_executions


def restore_executions(journal: Journal) -> None:
    """All executions; the histories of finished ones stay in the journal until asked for."""
    for (arn,), execution in journal.read("execution"):
        stepfunctions._executions.set_scoped(*scope_of(arn), arn, execution)


def resume_executions(journal: Journal) -> None:
    """Tell of ends that nobody was told of, and start what the last stop cut off from its first state.

    So the workflow may see an image twice, as it may in AWS.
    """
    for (arn,), execution in list(journal.read("untold")):
        in_scope(*scope_of(arn), TELL, execution)
        journal.delete("untold", [arn])
    for (_, _, arn), execution in stepfunctions._executions.all_items():
        if execution["status"] == "RUNNING":
            run = threading.Thread(
                target=in_scope, args=(*scope_of(arn), stepfunctions._run_execution, arn), daemon=True
            )
            run.start()


def give_expressions_time() -> None:
    """An expression may take a second by the clock: with fifty runs that go on after a kill, easy ones take longer."""
    make = stepfunctions.jsonata.Jsonata.jsonata

    def make_patiently(expression: str, **_: int) -> Any:
        return make(expression, timeout=EXPRESSION_MILLISECONDS)

    stepfunctions.jsonata.Jsonata.jsonata = staticmethod(make_patiently)


def parse_once() -> None:
    """Each evaluation parses its expression anew, which takes as long as the evaluation; a tree is only read."""
    parser = stepfunctions.jsonata.parser.Parser
    parse = parser.parse

    @functools.lru_cache(EXPRESSIONS_KEPT)
    def tree(expression: str, engine: Any) -> Any:
        return parse(parser(), expression, engine)

    parser.parse = lambda _, expression, engine: tree(expression, engine)


def read_plain_paths() -> None:
    """Most expressions only name a value, as `$states.result.label`: that takes no JSONata."""
    evaluate = stepfunctions._evaluate_jsonata

    def read_or_evaluate(expression: str, given: Any, ctx: Any = None, result: Any = None, error: Any = None) -> Any:
        context = ctx or {}
        states = {"input": given, "result": result, "errorOutput": error, "context": context}
        value = at_path(expression, {**context.get("variables", {}), "states": states})
        return evaluate(expression, given, ctx, result, error) if value is NOT_PLAIN else value

    stepfunctions._evaluate_jsonata = read_or_evaluate


def at_path(expression: str, variables: dict[str, Any]) -> Any:
    """What a plain path leads to through objects alone; NOT_PLAIN for anything else, which is JSONata's business."""
    if not PLAIN_PATH.fullmatch(expression):
        return NOT_PLAIN
    value: Any = variables
    for name in expression.removeprefix("$").split("."):
        value = value.get(name, NOT_PLAIN) if type(value) is dict else NOT_PLAIN
    # A list that JSONata made may be a sequence, which is not always what it holds.
    return value if type(value) in PLAIN_TYPES else NOT_PLAIN


def end_once() -> None:
    """A run that was stopped becomes one that failed as soon as the task that it was in fails."""
    fail = stepfunctions._fail_execution

    def fail_if_running(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    stepfunctions._fail_execution = fail_if_running


def know_which_execution_runs() -> None:
    """A task's call is not told whose it is."""
    execute = stepfunctions._execute_task

    def execute_known(state: Any, given: Any, execution: Any, context: dict[str, Any]) -> Any:
        with known_as(_running, context):
            return execute(state, given, execution, context)

    stepfunctions._execute_task = execute_known


def hold_tasks_to_their_role() -> None:
    """Every task may do everything here; in AWS it may do what its state machine's role allows."""
    invoke, invoke_with_callback = stepfunctions._invoke_resource, stepfunctions._invoke_with_callback

    def invoke_if_allowed(resource: str, parameters: Any) -> Any:
        refuse_beyond_role(resource, parameters)
        return invoke(resource, parameters)

    def invoke_with_callback_if_allowed(resource: str, parameters: Any, *others: Any) -> Any:
        refuse_beyond_role(resource, parameters)
        return invoke_with_callback(resource, parameters, *others)

    stepfunctions._invoke_resource = invoke_if_allowed
    stepfunctions._invoke_with_callback = invoke_with_callback_if_allowed


def refuse_beyond_role(resource: str, parameters: Any, context: dict[str, Any] | None = None) -> None:
    """Fail the task that runs, or the state with that context, when its role does not allow what it is about to do."""
    running = context or _running.get(None)
    machine = stepfunctions._state_machines.get(running["StateMachine"]["Id"]) if running else None
    if running is None or machine is None:
        return
    account, region = scope_of(machine["stateMachineArn"])
    session = running["Execution"]["Name"]
    for call in task_calls.calls(resource, parameters, region, account):
        reason = iam.refusal(machine["roleArn"], session, call, region)
        if reason:
            cause = f"{reason} (Status Code: 400; Error Code: AccessDeniedException)"
            raise stepfunctions._ExecutionError(name_of_refusal(resource, call.service), cause)


def name_of_refusal(resource: str, service: str) -> str:
    """The error's name, by which Retry and Catch match it; States.TaskFailed and States.ALL match every one."""
    _, of_sdk, rest = resource.partition(":aws-sdk:")
    if of_sdk:
        name = rest.split(":")[0].lower()
        prefix = stepfunctions._AWS_SDK_ERROR_PREFIX.get(name, name.capitalize())
        return f"{prefix}.{prefix}Exception"
    own = resource.removeprefix("arn:aws:states:::").split(":")[0]
    return OPTIMISED.get(own) or OPTIMISED.get(service) or "States.Permissions"


def fail_when_an_event_is_refused() -> None:
    """The bus may refuse an event in an answer that says 200.

    "If the response from PutEvents contains a non-zero FailedEntryCount then the Task state fails with the error
    EventBridge.FailedEntry." (AWS Step Functions Developer Guide, connect-eventbridge, read 28 November 2026)
    """
    put_events = stepfunctions._SERVICE_DISPATCH["arn:aws:states:::events:putEvents"]

    def put_all_or_fail(resource: str, parameters: Any) -> Any:
        answer = put_events(resource, with_origin(parameters))
        if answer.get("FailedEntryCount"):
            raise stepfunctions._ExecutionError("EventBridge.FailedEntry", json.dumps(answer))
        return answer

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::events:putEvents"] = put_all_or_fail


def with_origin(parameters: Any) -> Any:
    """The entries with where they come from.

    "The execution ARN and the state machine ARN are automatically appended to the Resources field of each
    PutEventsRequestEntry." (the same page)
    """
    running = _running.get(None)
    if running is None:
        return parameters
    origin = [running["Execution"]["Id"], running["StateMachine"]["Id"]]
    entries = [{**entry, "Resources": [*(entry.get("Resources") or []), *origin]} for entry in parameters["Entries"]]
    return {**parameters, "Entries": entries}
