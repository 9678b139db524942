"""Let a better model go live that waits for approval."""

from cli.options import Application, AsJson, VersionNumber
from cli.retraining import answered, connect
from retraining import runs


def command(application: Application, number: VersionNumber = None, as_json: AsJson = False) -> int:
    """Answer yes."""
    retraining = connect(application.target())
    question = runs.choose(retraining, number)
    runs.approve(retraining, question)
    return answered(question, "approved", as_json=as_json)
