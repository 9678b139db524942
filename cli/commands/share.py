"""Put the page into AWS, for people without credentials of their own and for a partner's system.

It is an application of its own, behind API Gateway and Cognito's sign-in pages, and costs nothing while nobody uses it.
Whoever runs it adds people, each into one of the groups viewer, reviewer and operator.
"""

from typing import Annotated, Final

from cli.display import output, print_json, typed
from cli.errors import SUCCESS, USAGE, CommandError
from cli.options import Application, AsJson, YesToQuestions, flag, option
from cli.sam import Deployer, agree_to_delete, delete_stack, given_parameters, local_environment, parameters_in
from cli.target import Target, state_directory
from local import deploy as local_deploy
from local.deploy import CONSOLE
from monitoring import watched

# What Cognito takes in no domain's name.
RESERVED: Final = ("aws", "amazon", "cognito")
MOST_PREFIX_CHARACTERS: Final = 63
# The local AWS has no managed login.
LOCAL_PAGES: Final = {"SignInPages": "classic"}


def command(
    *,
    application: Application,
    parameters: Annotated[
        list[str] | None, option("--parameter", "NAME=VALUE", "A parameter of console/template.yaml; repeatable.")
    ] = None,
    remove: Annotated[bool, flag("--remove", "Take the page away again, with the people who were added.")] = False,
    yes: YesToQuestions = False,
    as_json: AsJson = False,
) -> int:
    """Deploy the page, or bring it up to date, and say where it is and how to add people."""
    target = application.target()
    if remove:
        return _remove(target, yes=yes, as_json=as_json)
    known = parameters_in(CONSOLE)
    given = given_parameters(parameters or [], known, "console/template.yaml lists")
    stack = watched.parameters(watched.described(target.client, target.stack))
    values = {name: target.output(name) for name in known & set(target.outputs)}
    values |= {"Application": target.stack, "LogRetentionDays": stack["LogRetentionDays"]}
    if target.is_local:
        values |= LOCAL_PAGES
    else:
        values |= {"PythonRuntime": stack["PythonRuntime"], "Architecture": stack["Architecture"]}
    values |= {"DomainPrefix": given.get("DomainPrefix") or _prefix(target)}
    outputs = Deployer(target, application.profile, yes, quiet=as_json).deploy(
        CONSOLE, target.console_stack, {**values, **given}
    )
    if as_json:
        print_json({"stack": target.console_stack, "outputs": outputs})
        return SUCCESS
    pool = outputs["UserPoolId"]
    output().print(f"The page: {outputs['PageAddress']}")
    output().print(f"For partners' systems: {outputs['PageAddress']}/docs")
    output().print("Add somebody, who gets a first password by mail, and choose viewer, reviewer or operator:")
    for verb in ("create-user", "add-user-to-group --group-name viewer"):
        line = f"aws cognito-idp admin-{verb} --user-pool-id {pool} --username NAME@EXAMPLE.COM"
        output().print(f"  {line}", soft_wrap=True)
    output().print(f"Take it away again: {typed()} share --remove{target.options}")
    return SUCCESS


def _prefix(target: Target) -> str:
    """A name for the sign-in pages that nobody else in the region has: the stack's with the account's number."""
    account = target.client("sts").get_caller_identity()["Account"]
    prefix = f"{target.stack.lower()}-{account}"
    if len(prefix) > MOST_PREFIX_CHARACTERS or any(word in prefix for word in RESERVED):
        raise CommandError(
            f"Cognito takes no sign-in pages under the name {prefix}.",
            "Choose one: --parameter DomainPrefix=NAME",
            USAGE,
        )
    return prefix


def _remove(target: Target, *, yes: bool, as_json: bool) -> int:
    name = target.console_stack
    if target.is_local:
        removed = local_deploy.remove(CONSOLE, state_directory(), local_environment())
    else:
        removed = watched.described(target.client, name) is not None
        if removed:
            agree_to_delete(f"Delete the stack {name}, and everybody who was added?", yes=yes)
            delete_stack(target, name)
    if as_json:
        print_json({"stack": name, "removed": removed})
    else:
        output().print(f"{name} is gone." if removed else f"There is no {name}.")
    return SUCCESS
