"""Bucket, roles and image repository: a CloudFormation stack of our own, made when a step first needs it."""

from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from lifecycle.errors import SageMakerStepError
from lifecycle.site import Aws, Request, Site, digest, role_name, send
from vehiclevision.storage import code_of

TEMPLATE: Final = Path(__file__).with_name("template.yaml")
# Which template and parameters a stack was made from: CloudFormation tells an update without changes only in words.
DIGEST_TAG: Final = "vehiclevision:template"
WAIT: Final = {"Delay": 3, "MaxAttempts": 300}
_SOUND: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
# A stack whose first creation failed can only be deleted.
_HOPELESS: Final = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})


def request(site: Site, operation: str = "create_stack") -> Request:
    """What makes the stack, or brings it up to date."""
    parameters = {
        "Application": site.application,
        "BucketName": site.bucket,
        "TrainingRoleName": role_name(site, "training"),
        "ServingRoleName": role_name(site, "serving"),
        "BuilderRoleName": role_name(site, "builder"),
        "RepositoryName": site.repository,
        "BuilderName": site.builder,
        "KmsKeyArn": site.kms_key or "",
    }
    body = TEMPLATE.read_text("utf-8")
    return Request(
        "cloudformation",
        operation,
        {
            "StackName": site.foundation,
            "TemplateBody": body,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Tags": [*site.tags, {"Key": DIGEST_TAG, "Value": digest([body, parameters])}],
        },
    )


def ensure(aws: Aws) -> None:
    """Make the stack, or bring it up to date, and wait for it; quick when there is nothing to do."""
    creation = request(aws.site)
    stack = settled(aws)
    if stack is not None and stack["StackStatus"] in _HOPELESS:
        remove(aws)
        stack = None
    if stack is None:
        aws.tell(f"Making bucket and roles (stack {aws.site.foundation})")
        send(aws, creation)
    elif _made_from(stack) != _made_from(creation.parameters) or stack["StackStatus"] not in _SOUND:
        aws.tell(f"Bringing bucket and roles up to date (stack {aws.site.foundation})")
        send(aws, request(aws.site, "update_stack"))
    else:
        return
    stack = settled(aws)
    if stack is None or stack["StackStatus"] not in _SOUND:
        status = "gone" if stack is None else stack["StackStatus"]
        raise SageMakerStepError(
            f"The stack {aws.site.foundation} is {status}.",
            "Look at its events in the CloudFormation console; your own rights are a frequent cause.",
        )


def settled(aws: Aws, stack: str | None = None) -> dict[str, Any] | None:
    """The stack, once CloudFormation is done with it; None if there is none."""
    # Not botocore's waiters: what one is waiting for may turn into something else, and the status says what.
    while (described := describe(aws, stack)) is not None and described["StackStatus"].endswith("_IN_PROGRESS"):
        aws.sleep(WAIT["Delay"])
    return described


def describe(aws: Aws, stack: str | None = None) -> dict[str, Any] | None:
    """CloudFormation's description of a stack, ours if none is named."""
    name = stack or aws.site.foundation
    try:
        described: dict[str, Any] = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no error code of its own for a stack that is not there.
        if code_of(error) != "ValidationError":
            raise
        return None
    return None if described["StackStatus"] == "DELETE_COMPLETE" else described


def key_of(stack: Any) -> str | None:
    """The key that the stack was made with."""
    given = {each["ParameterKey"]: each["ParameterValue"] for each in (stack or {}).get("Parameters", [])}
    return given.get("KmsKeyArn") or None


def remove(aws: Aws, stack: str | None = None) -> None:
    """Delete the stack and wait until it is gone; its buckets must be empty."""
    described = settled(aws, stack)
    if described is None:
        return
    cloudformation = aws.client("cloudformation")
    cloudformation.delete_stack(StackName=described["StackName"])
    # By its id: a deleted stack is no longer found by its name.
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=described["StackId"], WaiterConfig=WAIT)


def _made_from(stack: Any) -> str | None:
    return next((tag["Value"] for tag in stack.get("Tags", []) if tag["Key"] == DIGEST_TAG), None)
