"""Take the check away; what it wrote stays, and so do captured requests."""

from cli.checks import function_of
from cli.display import tell
from cli.options import Application, AsJson, YesToQuestions
from cli.sam import gone_or_never_there, remove
from local.deploy import MONITORING, RECONCILING, RETRAINING


def command(application: Application, yes: YesToQuestions = False, as_json: AsJson = False) -> int:
    """Delete the stacks of reconciling, retraining and monitoring."""
    target = application.target()
    stacks = {
        target.beside("reconciling"): RECONCILING,
        target.beside("retraining"): RETRAINING,
        target.beside("monitoring"): MONITORING,
    }
    if not target.is_local:
        function_of(target)
    removed = remove(target, stacks, yes=yes)
    stack = target.beside("monitoring")
    facts = {"stack": stack, "removed": removed[stack], "stacks": removed}
    return tell(as_json, facts, *gone_or_never_there(removed))
