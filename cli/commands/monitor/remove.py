"""Take the check away; what it wrote stays, and so do captured requests."""

from cli import monitoring
from cli.options import Application, AsJson, YesToQuestions


def command(application: Application, yes: YesToQuestions = False, as_json: AsJson = False) -> int:
    """Take the check away."""
    return monitoring.remove(application.target(), yes=yes, as_json=as_json)
