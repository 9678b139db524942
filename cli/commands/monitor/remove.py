"""Take the check away; what it wrote stays, and so do captured requests."""

import sys

import typer

from cli.checks import function_of
from cli.display import output, print_json
from cli.errors import SUCCESS, USAGE, CommandError
from cli.options import Application, AsJson, YesToQuestions
from cli.sam import local_environment
from cli.target import Target, state_directory
from local import deploy as local_deploy
from local.deploy import MONITORING, RECONCILING, RETRAINING
from monitoring import watched


def command(application: Application, yes: YesToQuestions = False, as_json: AsJson = False) -> int:
    """Delete the stacks of reconciling, retraining and monitoring."""
    target = application.target()
    names = {
        RECONCILING: target.reconciling_stack,
        RETRAINING: target.retraining_stack,
        MONITORING: target.monitoring_stack,
    }
    if target.is_local:
        environment = local_environment()
        removed = {names[each]: local_deploy.remove(each, state_directory(), environment) for each in names}
    else:
        function_of(target)
        question = f"Delete the stacks {', '.join(names.values())}?"
        if not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
            raise CommandError("Nothing was deleted.", "Add --yes.", USAGE)
        removed = {name: _deleted(target, name) for name in names.values()}
    if as_json:
        stack = target.monitoring_stack
        print_json({"stack": stack, "removed": removed[stack], "stacks": removed})
        return SUCCESS
    for name, was_there in removed.items():
        output().print(f"{name} is gone." if was_there else f"There is no {name}.")
    return SUCCESS


def _deleted(target: Target, name: str) -> bool:
    if watched.described(target.client, name) is None:
        return False
    client = target.client("cloudformation")
    client.delete_stack(StackName=name)
    client.get_waiter("stack_delete_complete").wait(StackName=name)
    return True
