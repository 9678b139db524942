"""What AWS itself says of the application before anything is deployed: asked, written down, and nothing kept or paid.

Each step asks one service about what lies in the checkout and holds its answer against what is promised. A change set
is made and taken away again; with it, where there was no stack, the empty one that AWS makes for it.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from cli.sam import template_of
from lifecycle import lean
from lifecycle.foundation import TEMPLATE as SAGEMAKER_TEMPLATE
from lifecycle.site import Aws
from lifecycle.stacks import described
from lifecycle.templates import parsed
from local.deploy import BACKFILLING, MONITORING, RECONCILING, RETRAINING, VEHICLEVISION, Application
from local.place import CHECKOUT
from vehiclevision.storage import code_of, listed

# Each machine: its application, and what that one's template calls it.
PHOTOS: Final = (VEHICLEVISION, "ClassifyVehicleStateMachine")
EXPRESS: Final = (VEHICLEVISION, "ClassifyVehicleExpressStateMachine")
MACHINES: Final = {
    "classify_vehicle": PHOTOS,
    "classify_vehicle express": EXPRESS,
    "retrain_model": (RETRAINING, "RetrainModelStateMachine"),
    "backfill": (BACKFILLING, "BackfillStateMachine"),
}
# Where a fault of an Express run leads.
HAND_OVER: Final = "Hand over"
CHANGE_SET: Final = "vehiclevision-rehearsal"
# CloudFormation takes no more of a template in the request itself.
MAX_TEMPLATE_BYTES: Final = 51_200
WAIT: Final = {"Delay": 5, "MaxAttempts": 60}
ARTEFACT: Final = "s3://vehiclevision-rehearsal/artefact.zip"
# What is never allowed, so that a simulation which allows everything is noticed.
FORBIDDEN: Final = "iam:CreateUser"
# A stack for which there is a change set and nothing else.
IN_REVIEW: Final = "REVIEW_IN_PROGRESS"


@dataclass(frozen=True)
class Answer:
    """What AWS said to one question, and whether that is what was promised."""

    question: str
    good: bool
    words: str


def rehearse(aws: Aws) -> Iterator[Answer]:
    """Every question in its order; one that AWS refuses to answer is an answer that is not good."""
    for ask in (definitions, states, patterns, change_sets, roles):
        try:
            yield from ask(aws)
        except (ClientError, BotoCoreError, WaiterError) as error:
            yield Answer(ask.__name__.replace("_", " "), False, _masked(str(error), aws))


# ---- Step Functions --------------------------------------------------------------------------------------------------


def definitions(aws: Aws) -> Iterator[Answer]:
    """ValidateStateMachineDefinition for each machine, as of the type that it is."""
    for name, machine in MACHINES.items():
        text, kind = _definition(aws, *machine)
        answer = aws.client("stepfunctions").validate_state_machine_definition(definition=text, type=kind)
        said = [
            f"{each['severity']} {each['code']} {each.get('location', '')}".strip() for each in answer["diagnostics"]
        ]
        yield Answer(f"ValidateStateMachineDefinition {name}", answer["result"] == "OK", "; ".join(said) or "OK")


def states(aws: Aws) -> Iterator[Answer]:
    """TestState for each state of a photo's machine: with an answer that is made up, and each error that it catches.

    Of the Express machine, those that can hand over: it differs in nothing else.
    """
    yield from _states(aws, PHOTOS, "", lambda _: True)
    yield from _states(aws, EXPRESS, " express", lambda state: HAND_OVER in {each["Next"] for each in _catches(state)})


def _states(
    aws: Aws, machine: tuple[Application, str], of: str, chosen: Callable[[Mapping[str, Any]], bool]
) -> Iterator[Answer]:
    text, _ = _definition(aws, *machine)
    for name, state in json.loads(text)["States"].items():
        for case, mock, following in _cases(name, state) if chosen(state) else ():
            request: dict[str, Any] = {
                "definition": text,
                "stateName": name,
                "input": json.dumps(_inputs(name)),
                "variables": json.dumps(VARIABLES),
                "inspectionLevel": "INFO",
            }
            if mock is not None:
                request |= {"mock": mock, "context": json.dumps(CONTEXT)}
            if mock is not None and "errorOutput" in mock:
                # A test begins where the retrier of an error has given up.
                retriers = [each for each in state.get("Retry", []) if _matches(each, mock["errorOutput"]["error"])]
                given_up = int(retriers[0]["MaxAttempts"]) if retriers else 0
                request["stateConfiguration"] = {"retrierRetryCount": given_up}
            answer = aws.client("stepfunctions").test_state(**request)
            reached = answer.get("nextState") or answer["status"]
            words = reached if reached == following else f"{reached} instead of {following}: {answer.get('cause', '')}"
            yield Answer(f"TestState{of} {name}, {case}", reached == following, _masked(words, aws))


def _cases(name: str, state: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None, str]]:
    """What a state is shown, and where it must lead."""
    match state["Type"]:
        case "Task":
            result = json.dumps(RESULTS.get(name, {}))
            # Made-up answers of AWS's services are held against nothing but what the machine reads of them.
            yield "answered", {"result": result, "fieldValidationMode": "NONE"}, state.get("Next", "SUCCEEDED")
            cause = json.dumps({"errorMessage": "NOT_AN_IMAGE: the file is no picture. Send a JPEG."})
            for error in dict.fromkeys(_named_error(catcher) for catcher in _catches(state)):
                following = next(each["Next"] for each in _catches(state) if _matches(each, error))
                yield f"caught {error}", {"errorOutput": {"error": error, "cause": cause}}, following
        case "Choice":
            yield "a classified photo", None, CHOSEN[name]
        case "Fail":
            yield "as it ends", None, "FAILED"
        case _:
            yield "as it is", None, state.get("Next", "SUCCEEDED")


def _catches(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(state.get("Catch", []))


def _named_error(catcher: Mapping[str, Any]) -> str:
    """The first error of a catch; one of nobody's where it catches any."""
    name = str(catcher["ErrorEquals"][0])
    return "Custom.Error" if name in ("States.ALL", "States.TaskFailed") else name


def _matches(rule: Mapping[str, Any], error: str) -> bool:
    """Whether a Retry or Catch is for an error."""
    names = rule["ErrorEquals"]
    return error in names or "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def _inputs(name: str) -> Any:
    if name in ("Serialize image", "Read trigger"):
        return json.loads((CHECKOUT / "events" / "object_created.json").read_text("utf-8"))
    if name == "What is missing":
        return RESULTS["Read record"]["Item"]
    return FUNCTION_ANSWER


def _definition(aws: Aws, application: Application, machine: str) -> tuple[str, str]:
    """A machine's definition with its substitutions filled in, as CloudFormation would; and its type."""
    properties = template_of(application)["Resources"][machine]["Properties"]
    text = (application.folder / properties["DefinitionUri"]).read_text("utf-8")
    for word, value in properties["DefinitionSubstitutions"].items():
        text = text.replace(f"${{{word}}}", _filled(value, aws))
    return text, properties["Type"]


# ---- EventBridge -----------------------------------------------------------------------------------------------------


def patterns(aws: Aws) -> Iterator[Answer]:
    """TestEventPattern: what must start the workflow or be kept, and what must not."""
    resources = template_of(VEHICLEVISION)["Resources"]
    upload = json.loads((CHECKOUT / "events" / "object_created.json").read_text("utf-8"))
    upload["detail"]["bucket"]["name"] = "UploadBucket"
    elsewhere = json.loads(json.dumps(upload))
    elsewhere["detail"]["object"]["key"] = "thumbnails/a.jpg"
    ended = {
        **{name: upload[name] for name in ("version", "id", "account", "time", "region", "resources")},
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"stateMachineArn": "ClassifyVehicleStateMachine", "status": "FAILED", "error": "States.Runtime"},
    }
    review = {**ended, "detail": {**ended["detail"], "error": "THRESHOLD_CONFIDENCE_NOT_MET"}}
    stopped = {**ended, "detail": {"stateMachineArn": "ClassifyVehicleStateMachine", "status": "ABORTED"}}
    for rule, event, matches, words in (
        ("UploadRule", upload, True, "a photo under uploads/"),
        ("UploadRule", elsewhere, False, "an object elsewhere"),
        ("WorkflowFaultRule", ended, True, "a run that failed"),
        ("WorkflowFaultRule", stopped, True, "a run that was stopped"),
        ("WorkflowFaultRule", review, False, "a run that needs review"),
    ):
        pattern = json.dumps(_named(resources[rule]["Properties"]["EventPattern"]))
        heard = aws.client("events").test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]
        yield Answer(f"TestEventPattern {rule}, {words}", heard is matches, "heard" if heard else "not heard")


# ---- CloudFormation --------------------------------------------------------------------------------------------------


def change_sets(aws: Aws) -> Iterator[Answer]:
    """Change sets of the application, by default and lean, and of a backfill: made and taken away, never executed."""
    yield from _rehearsed(aws, VEHICLEVISION, "", {})
    yield from _rehearsed(aws, VEHICLEVISION, " lean", lean.parameters(VEHICLEVISION.folder))
    backfill = replace(aws, site=replace(aws.site, application=f"{aws.site.application}-backfilling"))
    yield from _rehearsed(backfill, BACKFILLING, " backfilling", {**BACKFILL, "Application": aws.site.application})


def _rehearsed(aws: Aws, application: Application, of: str, given: Mapping[str, str]) -> Iterator[Answer]:
    cloudformation = aws.client("cloudformation")
    name = {"StackName": aws.site.application, "ChangeSetName": CHANGE_SET}
    template = packaged(application)
    body = json.dumps(template, separators=(",", ":"))
    if len(body.encode()) > MAX_TEMPLATE_BYTES:
        words = f"The template has {len(body.encode()):,} bytes, too many for a request."
        yield Answer(f"CreateChangeSet{of}", False, words)
        return
    stack = described(aws.client, aws.site.application)
    # What a rehearsal that was stopped has left.
    _take_away(cloudformation, aws)
    known = {each["ParameterKey"] for each in (stack or {}).get("Parameters", [])} & template["Parameters"].keys()
    there = stack is not None and stack["StackStatus"] != IN_REVIEW
    cloudformation.create_change_set(
        **name,
        ChangeSetType="UPDATE" if there else "CREATE",
        TemplateBody=body,
        Parameters=[
            *({"ParameterKey": each, "UsePreviousValue": True} for each in sorted(known - given.keys()) if there),
            *({"ParameterKey": each, "ParameterValue": value} for each, value in given.items()),
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Description="A rehearsal, never to be executed",
    )
    try:
        yield _change_set(cloudformation, name, aws, of)
    finally:
        _take_away(cloudformation, aws)
    left = described(aws.client, aws.site.application)
    gone = there or left is None or left["StackStatus"].startswith("DELETE")
    words = "nothing is left of it" if gone else f"the stack is {left and left['StackStatus']}"
    yield Answer(f"DeleteChangeSet{of}", gone, words)


def _change_set(cloudformation: Any, name: Mapping[str, str], aws: Aws, of: str) -> Answer:
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(**name, WaiterConfig=WAIT)
    except WaiterError:
        failed = cloudformation.describe_change_set(**name)
        return Answer(f"CreateChangeSet{of}", False, _masked(failed.get("StatusReason", failed["Status"]), aws))
    actions = Counter(
        each["ResourceChange"]["Action"] for each in listed(cloudformation, "describe_change_set", "Changes", **name)
    )
    words = ", ".join(f"{count} {action.lower()}" for action, count in sorted(actions.items()))
    return Answer(f"CreateChangeSet{of}", True, f"{actions.total()} changes: {words or 'none'}")


def _take_away(cloudformation: Any, aws: Aws) -> None:
    """Delete the change set, and the stack only while it is nothing but the shell of one."""
    try:
        cloudformation.delete_change_set(StackName=aws.site.application, ChangeSetName=CHANGE_SET)
    except ClientError as error:
        if code_of(error) not in ("ValidationError", "ChangeSetNotFound"):
            raise
    stack = described(aws.client, aws.site.application)
    if stack is not None and stack["StackStatus"] == IN_REVIEW:
        cloudformation.delete_stack(StackName=aws.site.application)


def packaged(application: Application) -> dict[str, Any]:
    """A template as `sam deploy` sends it, but for the code, which is not looked at before it is deployed, and for what
    only people read: a request takes no more than so many bytes."""
    template = template_of(application)
    template.pop("Metadata", None)
    for parameter in template["Parameters"].values():
        parameter.pop("Description", None)
    template["Globals"]["Function"]["CodeUri"] = ARTEFACT
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if "Condition" in resource and "DefinitionUri" in properties:
            # The same definition a second time, which a stack of the default type does not look at.
            properties["DefinitionUri"] = ARTEFACT
        elif "DefinitionUri" in properties:
            text = (application.folder / properties.pop("DefinitionUri")).read_text("utf-8")
            properties["Definition"] = json.loads(text, object_hook=_without_comment)
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            properties["DashboardBody"] = json.dumps({"widgets": []})
    return template


def _without_comment(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "Comment"}


# ---- IAM -------------------------------------------------------------------------------------------------------------


def roles(aws: Aws) -> Iterator[Answer]:
    """SimulateCustomPolicy: each role may do what its statements say on what they name, and nothing that none says."""
    iam = aws.client("iam")
    for room, template in (
        ("application", template_of(VEHICLEVISION)),
        ("monitoring", template_of(MONITORING)),
        ("retraining", template_of(RETRAINING)),
        ("reconciling", template_of(RECONCILING)),
        ("backfilling", template_of(BACKFILLING)),
        ("sagemaker", parsed(SAGEMAKER_TEMPLATE.read_text("utf-8"))),
    ):
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::IAM::Role":
                statements = [*_statements(resource, aws), *_attached(template, name, aws)]
                yield _role(iam, f"SimulateCustomPolicy {room} {name}", statements)


def _role(iam: Any, question: str, statements: list[dict[str, Any]]) -> Answer:
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    asked, wrong = 0, []
    for statement in statements:
        decisions = _simulated(iam, policy, statement["Action"], statement["Resource"], statement.get("Condition", {}))
        asked += len(decisions)
        wrong += [action for action, decision in decisions if decision != "allowed"]
    wrong += [action for action, decision in _simulated(iam, policy, [FORBIDDEN], ["*"], {}) if decision == "allowed"]
    others = ", ".join(sorted(set(wrong)))
    words = f"otherwise than written: {others}" if wrong else f"{asked} calls allowed, {FORBIDDEN} not"
    return Answer(question, not wrong, words)


def _simulated(
    iam: Any, policy: str, actions: list[str], resources: list[str], condition: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Each action and what IAM decides of it, on what the statement names and where its condition holds."""
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [value.replace("*", "x") for value in _listed(values)][:1],
         "ContextKeyType": "boolean" if operator == "Bool" else "string"}
        for operator, keys in condition.items()
        for key, values in keys.items()
    ]  # fmt: skip
    concrete = [resource if resource == "*" else resource.replace("*", "x") for resource in resources]
    answer = iam.simulate_custom_policy(
        PolicyInputList=[policy], ActionNames=actions, ResourceArns=concrete, ContextEntries=context
    )
    return [(each["EvalActionName"], each["EvalDecision"]) for each in answer["EvaluationResults"]]


def _attached(template: Mapping[str, Any], role: str, aws: Aws) -> Iterator[dict[str, Any]]:
    """What policies that stand beside a role add to it, where they are asked for."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in resource["Properties"]["Roles"]:
            yield from _statements({"Properties": {"Policies": [resource["Properties"]]}}, aws)


def _statements(role: Mapping[str, Any], aws: Aws) -> list[dict[str, Any]]:
    policies = [policy for policy in role["Properties"].get("Policies", []) if "PolicyDocument" in policy]
    return [
        {
            **statement,
            "Action": _listed(statement["Action"]),
            "Resource": [_arn(each, aws) for each in _listed(statement["Resource"])],
            **({"Condition": _named(statement["Condition"], aws)} if "Condition" in statement else {}),
        }
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
    ]


# ---- what CloudFormation would fill in -------------------------------------------------------------------------------


def _filled(value: Any, aws: Aws) -> str:
    """A substitution as text: pseudo parameters by their values, a function by an ARN, anything else by its name."""
    if isinstance(value, dict) and "Fn::GetAtt" in value:
        name = str(_listed(value["Fn::GetAtt"])[0]).split(".")[0]
        return f"arn:{aws.site.partition}:lambda:{aws.site.region}:{aws.site.account}:function:{name}"
    if isinstance(value, dict) and value.get("Ref") in DEFAULTS:
        return DEFAULTS[value["Ref"]]
    if isinstance(value, dict) and value.get("Ref", "").endswith("Queue"):
        return f"https://sqs.{aws.site.region}.amazonaws.com/{aws.site.account}/{value['Ref']}"
    return str(_named(value, aws))


def _named(node: Any, aws: Aws | None = None) -> Any:
    """References by the names of what they refer to; pseudo parameters by their values where there is an account."""
    if isinstance(node, dict):
        if set(node) == {"Ref"}:
            return _pseudo("${" + str(node["Ref"]) + "}", aws)
        if set(node) == {"Fn::Sub"}:
            return _pseudo(str(node["Fn::Sub"]), aws)
        if set(node) == {"Fn::GetAtt"}:
            return str(node["Fn::GetAtt"][0])
        return {key: _named(value, aws) for key, value in node.items()}
    return [_named(each, aws) for each in node] if isinstance(node, list) else node


def _pseudo(text: str, aws: Aws | None) -> str:
    values = {} if aws is None else {
        "AWS::Partition": aws.site.partition, "AWS::Region": aws.site.region, "AWS::AccountId": aws.site.account,
        "AWS::StackName": aws.site.application,
    }  # fmt: skip
    return re.sub(r"\$\{([\w:.]+)\}", lambda word: values.get(word[1], word[1].split(".")[0]), text)


def _arn(resource: Any, aws: Aws) -> str:
    """A statement's resource as an ARN; a reference becomes one of its own name."""
    text = str(_named(resource, aws))
    if text == "*" or text.startswith("arn:"):
        return text
    return f"arn:{aws.site.partition}:rehearsal:{aws.site.region}:{aws.site.account}:{text.replace('.Arn', '')}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _masked(text: str, aws: Aws) -> str:
    """Without the account's number, so that a transcript can be shown."""
    return " ".join(text.replace(aws.site.account, f"…{aws.site.account[-4:]}").split())[:400]


# ---- a photo that is made up -----------------------------------------------------------------------------------------

# What a backfill's template takes.
BACKFILL: Final = {
    "UploadBucketName": "photos", "ResultsTableName": "results", "SourceBucketName": "photos", "SourcePrefix": "2019/",
    "StateMachineArn": "arn:aws:states:us-east-1:111122223333:stateMachine:rehearsal",
    "SerializeImageRoleName": "rehearsal",
}  # fmt: skip
DEFAULTS: Final = {
    "ResultsRetentionDays": "365", "PollSeconds": "20", "WatchSeconds": "3600", "ManualApproval": "true",
}  # fmt: skip
FUNCTION_ANSWER: Final[dict[str, Any]] = {
    "s3_bucket": "photos", "s3_key": "uploads/a.jpg", "version_id": "v1", "correlation_id": "c", "execution_id": "e",
    "uploaded_at": "2026-11-28T09:00:00Z", "superseded": False, "image_data": "/9j/", "measurements": {"width": 384},
    "inferences": [0.97, 0.01], "model_version": "1", "label": "bicycle", "confidence": 0.97, "route": "nearby",
}  # fmt: skip
VARIABLES: Final[dict[str, Any]] = {
    **{name: FUNCTION_ANSWER[name] for name in (
        "s3_bucket", "s3_key", "version_id", "correlation_id", "uploaded_at", "superseded", "measurements",
        "inferences", "model_version", "label", "confidence", "route",
    )},
    "sequencer": "00AA", "by_hand": True, "reason": "States.Timeout", "hint": None, "outcome": "CLASSIFIED",
    "second_opinion": None, "own": True, "unannounced": True, "left_alone": False, "knows_more": False,
    "recorded": "CLASSIFIED",
}  # fmt: skip
CONTEXT: Final = {
    "Execution": {
        "Id": "arn:aws:states:us-east-1:111122223333:execution:vehiclevision-classify-vehicle:rehearsal",
        "Name": "rehearsal", "StartTime": "2026-11-28T09:00:00.000Z", "Input": {"s3_key": "a.jpg"},
    },
    "State": {"Name": "rehearsed", "EnteredTime": "2026-11-28T09:00:01.000Z"},
    "StateMachine": {"Id": "arn:aws:states:us-east-1:111122223333:stateMachine:rehearsal", "Name": "rehearsal"},
}  # fmt: skip
RESULTS: Final[dict[str, Any]] = {
    "Serialize image": FUNCTION_ANSWER,
    "Classify image": FUNCTION_ANSWER,
    "Filter inferences": FUNCTION_ANSWER,
    "Read record": {
        "Item": {
            "execution": {"S": "e"}, "outcome": {"S": "CLASSIFIED"}, "announced_at": {"NULL": True},
            "recorded_at": {"S": "2026-11-28T08:00:00Z"}, "sequencer": {"S": "00AA"}, "label": {"S": "bicycle"},
            "confidence": {"N": "0.97"}, "route": {"S": "nearby"}, "model_version": {"S": "1"},
            "uploaded_at": {"S": "2026-11-28T07:59:00Z"}, "correlation_id": {"S": "c"}, "reason": {"NULL": True},
        }
    },
}  # fmt: skip
# Where each choice leads a photo that is classified and not announced yet: at the second it has no business.
CHOSEN: Final = {"What is missing": "Announce vehicle", "Which outcome": "Failed"}
