"""Account and region, for which MiniStack does everything."""

import contextvars
from collections.abc import Callable
from typing import Any

from ministack.core.responses import set_request_account_id, set_request_region


def scope_of(arn: str) -> tuple[str, str]:
    """The account and region of an ARN."""
    parts = arn.split(":")
    return parts[4], parts[3]


def in_scope(account: str, region: str, function: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Call a function as a request of this account and region would."""

    def run() -> None:
        set_request_account_id(account)
        set_request_region(region)
        function(*arguments, **options)

    contextvars.copy_context().run(run)
