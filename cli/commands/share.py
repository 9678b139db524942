"""Put the page into AWS, for people without credentials of their own and for a partner's system.

It is an application of its own, behind API Gateway and Cognito's sign-in pages, and costs nothing while nobody uses it.
Whoever runs it adds people, each into one of the groups viewer, reviewer and operator.
"""

from typing import Annotated, Final

from cli.display import tell, typed
from cli.errors import USAGE, CommandError
from cli.options import Application, AsJson, YesToQuestions, flag, option
from cli.sam import Deployer, given_parameters, gone_or_never_there, parameters_in, remove, taken_over
from cli.target import Target
from console.served import aws_of
from local.deploy import CONSOLE

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
    take_away: Annotated[bool, flag("--remove", "Take the page away again, with the people who were added.")] = False,
    yes: YesToQuestions = False,
    as_json: AsJson = False,
) -> int:
    """Deploy the page, or bring it up to date, and say where it is and how to add people."""
    target = application.target()
    if take_away:
        stack = target.beside("console")
        removed = remove(target, {stack: CONSOLE}, more=", and everybody who was added", yes=yes)
        return tell(as_json, {"stack": stack, "removed": removed[stack]}, *gone_or_never_there(removed))
    known = parameters_in(CONSOLE)
    given = given_parameters(parameters or [], known, "console/template.yaml lists")
    values = {name: target.output(name) for name in known & set(target.outputs)}
    values |= {"Application": target.stack, **taken_over(target), **(LOCAL_PAGES if target.is_local else {})}
    values |= {"SageMakerBucketName": aws_of(target).site.bucket}
    values |= {"DomainPrefix": given.get("DomainPrefix") or _prefix(target)}
    outputs = Deployer(target, application.profile, yes, quiet=as_json).deploy(
        CONSOLE, target.beside("console"), {**values, **given}
    )
    who = f"--user-pool-id {outputs['UserPoolId']} --username NAME@EXAMPLE.COM"
    return tell(
        as_json,
        {"stack": target.beside("console"), "outputs": outputs},
        f"The page: {outputs['PageAddress']}",
        f"For partners' systems: {outputs['PageAddress']}/docs",
        "Add somebody, who gets a first password by mail, and choose viewer, reviewer or operator:",
        f"  aws cognito-idp admin-create-user {who}",
        f"  aws cognito-idp admin-add-user-to-group --group-name viewer {who}",
        f"Take it away again: {typed()} share --remove{target.options}",
    )


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
