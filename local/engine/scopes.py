"""Account and region, for which MiniStack does everything, and what it saves of a service."""

import contextlib
import contextvars
import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ministack.core.responses import AccountRegionScopedDict, set_request_account_id, set_request_region

T = TypeVar("T")


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


@contextlib.contextmanager
def known_as(variable: contextvars.ContextVar[T], value: T) -> Iterator[None]:
    """Let what is called meanwhile know something that MiniStack does not hand on."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def state_of(service: Any, *names: str, **given: Any) -> dict[str, Any]:
    """A service's state: what it has under these names, and what the journal leaves of the rest."""
    return {name: copy.deepcopy(getattr(service, f"_{name}")) for name in names} | given


def emptied(resources: Any, field: str, empty: Any, *left_out: str) -> AccountRegionScopedDict:
    """A copy of a service's resources, each without what the journal keeps of it."""
    copied = AccountRegionScopedDict()
    for (account, region, name), resource in resources.all_items():
        kept = {each: value for each, value in resource.items() if each not in (field, *left_out)}
        copied.set_scoped(account, region, name, {**copy.deepcopy(kept), field: copy.copy(empty)})
    return copied
