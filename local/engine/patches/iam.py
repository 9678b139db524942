"""IAM: who may come in, and what policies are told and match."""

import contextlib
import functools
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from local.credentials import Credentials


def secret_of(access_key_id: str, root: Credentials) -> str | None:
    """The secret of a key that signed a request: the root user's, a function's, or what IAM or STS made."""
    if access_key_id == root.access_key_id:
        return root.secret_access_key
    # MiniStack takes these for the root user without looking at the signature.
    if iam_evaluator.is_root_access_key(access_key_id):
        return None
    try:
        account = iam_evaluator.find_iam_access_key_account(access_key_id)
    except iam_evaluator.AmbiguousAccessKeyError:
        return None
    credential = iam_evaluator.resolve_credential(access_key_id, account)
    return getattr(credential, "secret_access_key", None)


def match_line_breaks_in_policies() -> None:
    """A policy's `*` and `?` stop at a line break here, so a role may not read a key that has one."""
    iam_evaluator._fnmatch_compile = policy_pattern


@functools.lru_cache(4096)
def policy_pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """An IAM wildcard as a regular expression that matches a whole value and nothing less."""
    words = {"*": ".*", "?": "."}
    text = "".join(words.get(character) or re.escape(character) for character in pattern)
    return re.compile(rf"{text}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def tell_policies_the_namespace() -> None:
    """A role that may publish metrics in one namespace only may publish none: policies are not told which it is."""
    context_of = iam_actions.request_tag_context

    def context_with_namespace(service: str, action: str, body: bytes, parameters: dict[str, Any]) -> dict[str, Any]:
        found = dict(context_of(service, action, body, parameters))
        if action == "cloudwatch:PutMetricData":
            found["cloudwatch:namespace"] = namespace_of(body)
        return found

    iam_actions.request_tag_context = context_with_namespace


def namespace_of(body: bytes) -> str:
    """The namespace of a PutMetricData request, as today's SDKs write it in JSON and older ones in a query."""
    with contextlib.suppress(ValueError):
        found = json.loads(body) if body[:1] == b"{" else dict(urllib.parse.parse_qsl(body.decode()))
        return str(found.get("Namespace", ""))
    return ""
