"""Let a better model go live that waits for approval."""

from cli.options import Application, AsJson, RegisteredVersion
from cli.retraining import answered, asked
from retraining import runs


def command(application: Application, name: RegisteredVersion = None, as_json: AsJson = False) -> int:
    """Answer yes."""
    retraining, question = asked(application.target(), name)
    runs.approve(retraining, question)
    return answered(question, "approved", as_json=as_json)
