"""Bucket, roles and image repository: a CloudFormation stack of our own, made when a step first needs it."""

from pathlib import Path
from typing import Any, Final

from lifecycle import stacks
from lifecycle.errors import SageMakerStepError
from lifecycle.site import Aws, Request, Site, digest, role_name, send

TEMPLATE: Final = Path(__file__).with_name("template.yaml")
# Which template and parameters a stack was made from: CloudFormation tells an update without changes only in words.
DIGEST_TAG: Final = "vehiclevision:template"


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
    stack = stacks.settled(aws.client, aws.site.foundation, aws.sleep)
    if stack is not None and stack["StackStatus"] in stacks.HOPELESS:
        stacks.remove(aws.client, aws.site.foundation, aws.sleep)
        stack = None
    if stack is None:
        aws.tell(f"Making bucket and roles (stack {aws.site.foundation})")
        send(aws, creation)
    elif _made_from(stack) != _made_from(creation.parameters) or stack["StackStatus"] not in stacks.SOUND:
        aws.tell(f"Bringing bucket and roles up to date (stack {aws.site.foundation})")
        send(aws, request(aws.site, "update_stack"))
    else:
        return
    stack = stacks.settled(aws.client, aws.site.foundation, aws.sleep)
    if stack is None or stack["StackStatus"] not in stacks.SOUND:
        status = "gone" if stack is None else stack["StackStatus"]
        raise SageMakerStepError(
            f"The stack {aws.site.foundation} is {status}.",
            "Look at its events in the CloudFormation console; your own rights are a frequent cause.",
        )


def described(aws: Aws) -> stacks.Stack | None:
    """CloudFormation's description of our stack; None if there is none."""
    return stacks.described(aws.client, aws.site.foundation)


def key_of(stack: Any) -> str | None:
    """The key that the stack was made with."""
    return stacks.parameters(stack).get("KmsKeyArn") or None


def _made_from(stack: Any) -> str | None:
    return next((tag["Value"] for tag in stack.get("Tags", []) if tag["Key"] == DIGEST_TAG), None)
