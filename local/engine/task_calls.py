"""What a task state of a workflow asks its role for: the API's action, and what it is done to."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ministack.core import iam_actions

# A service's name in a task's resource, where its policies or MiniStack call it otherwise.
SERVICES: Final = {"eventbridge": "events", "sfn": "states", "cloudwatchlogs": "logs", "cloudwatch": "monitoring"}
# The one parameter that names what is acted on, where MiniStack does not know it from a JSON request.
NAMED_BY: Final = {"sns": ("TopicArn", "TargetArn"), "states": ("StateMachineArn", "ExecutionArn")}
# Actions that are called otherwise than the operations that they allow.
ACTIONS: Final = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
}
SAGEMAKER_KINDS: Final = {
    "TrainingJob": "training-job",
    "HyperParameterTuningJob": "hyper-parameter-tuning-job",
    "Model": "model",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
    "ModelPackage": "model-package",
    "ModelPackageGroup": "model-package-group",
}


@dataclass(frozen=True)
class Call:
    """One action on one resource, with what a policy's conditions may ask about it."""

    service: str
    action: str
    resource: str
    conditions: Mapping[str, Any] = field(default_factory=dict)


def calls(resource: str, parameters: Any, region: str, account: str) -> Iterator[Call]:
    """What a task with this resource and these parameters does; nothing where no role is asked, as for an activity."""
    words = resource.removeprefix("arn:aws:states:::").split(":")
    given = parameters if isinstance(parameters, Mapping) else {}
    if resource.startswith("arn:aws:lambda:") or words[:2] in (
        ["lambda", "invoke"],
        ["lambda", "invoke.waitForTaskToken"],
    ):
        named = resource if resource.startswith("arn:aws:lambda:") else str(given.get("FunctionName", ""))
        yield Call("lambda", "lambda:InvokeFunction", function_arn(named, region, account))
        return
    if not resource.startswith("arn:aws:states:::") or len(words) < 2:
        return
    words = words[1:] if words[0] == "aws-sdk" else words
    service, operation = SERVICES.get(words[0].lower(), words[0].lower()), words[1].partition(".")[0]
    operation = operation[:1].upper() + operation[1:]
    space = iam_actions.SERVICE_TO_IAM_NAMESPACE.get(service, service)
    action = ACTIONS.get(f"{space}:{operation}", f"{space}:{operation}")
    if action == "events:PutEvents":
        yield from _put_events(given, region, account)
    elif service == "sagemaker":
        yield from of_sagemaker(operation, given, region, account)
    else:
        conditions = {"s3:prefix": given.get("Prefix", "")} if action == "s3:ListBucket" else {}
        yield Call(service, action, _acted_on(service, operation, given, region, account), conditions)


def function_arn(name: str, region: str, account: str) -> str:
    """The ARN that a function's name, partial ARN or ARN stands for."""
    if name.startswith("arn:"):
        return name
    return f"arn:aws:lambda:{region}:{account}:function:{name.rpartition('function:')[2]}"


def _put_events(given: Mapping[str, Any], region: str, account: str) -> Iterator[Call]:
    for entry in given.get("Entries") or [{}]:
        (bus,) = iam_actions.eventbridge_resource_arns(json.dumps({"Entries": [entry]}).encode(), region, account)
        conditions = {"events:source": entry.get("Source"), "events:detail-type": entry.get("DetailType")}
        yield Call("events", "events:PutEvents", bus, conditions)


def _acted_on(service: str, operation: str, given: Mapping[str, Any], region: str, account: str) -> str:
    if service == "s3":
        return "arn:aws:s3:::" + "/".join(str(given[name]) for name in ("Bucket", "Key") if name in given)
    if service == "lambda":
        return function_arn(str(given.get("FunctionName", "")), region, account)
    for name in NAMED_BY.get(service, ()):
        if name in given:
            return str(given[name])
    body = json.dumps(given).encode()
    headers = {"x-amz-target": f"{service}.{operation}", "content-type": "application/x-amz-json-1.0"}
    return str(iam_actions.extract_resource_arn(service, "POST", "/", headers, body, {}, region, account))


def of_sagemaker(operation: str, given: Mapping[str, Any], region: str, account: str) -> Iterator[Call]:
    """SageMaker's ARNs, in lower case, which MiniStack does not know; a job or a model takes a role and tags along."""
    kind = next((kind for kind in SAGEMAKER_KINDS if operation.endswith(kind)), "")
    named = str(given.get(f"{kind}Arn") or given.get(f"{kind}Name") or given.get("ResourceArn") or "*")
    if operation == "CreateModelPackage":
        named = f"{given.get('ModelPackageGroupName', '')}/*"
    elif operation == "ListModelPackages":
        kind, named = "ModelPackageGroup", str(given.get("ModelPackageGroupName", "*"))
    arn = f"arn:aws:sagemaker:{region}:{account}:{SAGEMAKER_KINDS.get(kind, '*')}/{named.lower()}"
    arn = named if named.startswith("arn:") else arn
    yield Call("sagemaker", f"sagemaker:{operation}", arn)
    if operation == "UpdateEndpoint":
        config = str(given.get("EndpointConfigName", "")).lower()
        yield Call("sagemaker", "sagemaker:UpdateEndpoint", f"{arn.rpartition('endpoint/')[0]}endpoint-config/{config}")
    if given.get("Tags"):
        yield Call("sagemaker", "sagemaker:AddTags", arn)
    for name in ("RoleArn", "ExecutionRoleArn"):
        if name in given:
            yield Call("iam", "iam:PassRole", str(given[name]), {"iam:passedtoservice": "sagemaker.amazonaws.com"})
