"""Take the check away; what it wrote stays, and so do captured requests."""

from cli.checks import function_of
from cli.display import output, print_json
from cli.errors import SUCCESS
from cli.options import Application, AsJson, YesToQuestions
from cli.sam import agree_to_delete, delete_stack, local_environment
from cli.target import state_directory
from local import deploy as local_deploy
from local.deploy import MONITORING, RECONCILING, RETRAINING


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
        agree_to_delete(f"Delete the stacks {', '.join(names.values())}?", yes=yes)
        removed = {name: delete_stack(target, name) for name in names.values()}
    if as_json:
        stack = target.monitoring_stack
        print_json({"stack": stack, "removed": removed[stack], "stacks": removed})
        return SUCCESS
    for name, was_there in removed.items():
        output().print(f"{name} is gone." if was_there else f"There is no {name}.")
    return SUCCESS
