"""CloudFormation's stacks: described, waited for, and deleted; and how any service says that something is not there."""

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from vehiclevision.storage import code_of

# A boto3 client by its service's name.
Client = Callable[[str], Any]
Stack = Mapping[str, Any]

SOUND: Final = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}
)
# A stack whose first creation failed can only be deleted.
HOPELESS: Final = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
WAIT: Final = {"Delay": 3, "MaxAttempts": 300}


def or_none(codes: Collection[str], call: Callable[[], Any]) -> Any:
    """What AWS answers; None where it says, by one of these codes, that there is no such thing."""
    try:
        return call()
    except ClientError as error:
        if code_of(error) in codes:
            return None
        raise


def described(client: Client, name: str) -> Stack | None:
    """CloudFormation's description of a stack; None if there is none."""
    # It has no error code of its own for a stack that is not there.
    answer = or_none({"ValidationError"}, partial(client("cloudformation").describe_stacks, StackName=name))
    stack: Stack | None = answer["Stacks"][0] if answer else None
    return None if stack is None or stack.get("StackStatus") == "DELETE_COMPLETE" else stack


def parameters(stack: Stack | None) -> dict[str, str]:
    """The parameters in a stack's description."""
    return {each["ParameterKey"]: each["ParameterValue"] for each in (stack or {}).get("Parameters", [])}


def outputs(stack: Stack | None) -> dict[str, str]:
    """The outputs in a stack's description."""
    return {each["OutputKey"]: each["OutputValue"] for each in (stack or {}).get("Outputs", [])}


def settled(client: Client, name: str, sleep: Callable[[float], None] = time.sleep) -> Stack | None:
    """The stack, once CloudFormation is done with it; None if there is none."""
    # Not botocore's waiters: what one is waiting for may turn into something else, and the status says what.
    while (stack := described(client, name)) is not None and stack["StackStatus"].endswith("_IN_PROGRESS"):
        sleep(WAIT["Delay"])
    return stack


def remove(client: Client, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Delete a stack and wait until it is gone; its buckets must be empty."""
    stack = settled(client, name, sleep)
    if stack is None:
        return
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    # By its id: a deleted stack is no longer found by its name.
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig=WAIT)
