"""IAM: who may come in, and what policies are told and match."""

import contextlib
import contextvars
import functools
import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam

from local.credentials import Credentials
from local.engine.task_calls import Call


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


def count_loopback_as_tls() -> None:
    """What the engine does by itself has no request behind it, and so no TLS, which queue policies demand."""
    origin = ("127.0.0.1", True)
    iam_evaluator._request_origin = contextvars.ContextVar("origin of what is done", default=origin)


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
        context = dict(context_of(service, action, body, parameters))
        if action == "cloudwatch:PutMetricData":
            context["cloudwatch:namespace"] = namespace_of(body)
        return context

    iam_actions.request_tag_context = context_with_namespace


def namespace_of(body: bytes) -> str:
    """The namespace of a PutMetricData request, as today's SDKs write it in JSON and older ones in a query."""
    with contextlib.suppress(ValueError):
        request = json.loads(body) if body[:1] == b"{" else dict(urllib.parse.parse_qsl(body.decode()))
        return str(request.get("Namespace", ""))
    return ""


def note_calls(path: Path) -> None:
    """Write down each call that a role made, once, and whether its policies allow it: a line of JSON each."""
    evaluate, noted, lock = iam_evaluator.evaluate, set[tuple[str, ...]](), threading.Lock()

    def evaluate_and_note(context: Any, policies: Any, *limits: Any) -> Any:
        result = evaluate(context, policies, *limits)
        call = (role_in(context.principal_arn), context.action, context.resource_arn, result.decision)
        with lock:
            if call[0] and call not in noted:
                noted.add(call)
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(call) + "\n")
        return result

    iam_evaluator.evaluate = evaluate_and_note


def role_in(principal: str) -> str:
    """The role in the ARN of a session; empty if it is none."""
    kind, _, names = principal.rpartition(":")[2].partition("/")
    return names.partition("/")[0] if kind == "assumed-role" else ""


def refusal(role_arn: str, session: str, call: Call, region: str) -> str | None:
    """In AWS's words, why a role may not make a call; None if it may."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    principal = iam_evaluator.PrincipalInfo(
        arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        type="AssumedRole",
        account=account,
        policies=iam_evaluator._gather_role_policies(name, account),
        limits=iam_evaluator._permissions_boundary(iam._roles, name, account),
    )
    return _refusal_of(principal, call, region)


def refusal_of_key(access_key_id: str, call: Call, region: str) -> str | None:
    """The same for whoever signs with a key: a function's role, a user, or the root user, who may do everything."""
    principal = iam_evaluator.resolve_principal(access_key_id, get_account_id())
    if isinstance(principal, iam_evaluator.AuthError):
        return str(principal.message)
    return None if principal.policies is None else _refusal_of(principal, call, region)


def _refusal_of(principal: iam_evaluator.PrincipalInfo, call: Call, region: str) -> str | None:
    """By the principal's policies, and the resource's own."""
    context = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=call.action,
        resource_arn=call.resource,
        region=region,
        secure_transport=True,
        service_context={key: value for key, value in call.conditions.items() if value is not None},
        principal_keys=principal.keys,
    )
    answer = iam_evaluator.evaluate(context, principal.policies, *principal.limits)
    of_resource = iam_evaluator._resource_policy(call.service, call.resource)
    if of_resource is not None:
        answer = iam_evaluator.combine_resource_policy(answer, context, *of_resource, limits=principal.limits)
    if answer.decision == "Allow":
        return None
    explicit = answer.decision == "Deny"
    return str(iam_actions.identity_denial_message(call.action, context.principal_arn, call.resource, explicit))
