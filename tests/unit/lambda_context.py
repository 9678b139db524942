"""The part of Lambda's context that Powertools reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """A call of a function, as Lambda describes it."""

    function_name: str = "function-under-test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:function-under-test"
    aws_request_id: str = "6f1c0f5e-0000-4000-8000-000000000000"
