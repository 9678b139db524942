"""Refuse a model that waits for approval; the present one stays."""

from cli.options import Application, AsJson, Reason, VersionNumber
from cli.retraining import answered, connect
from retraining import runs


def command(
    application: Application, number: VersionNumber = None, reason: Reason = "", as_json: AsJson = False
) -> int:
    """Answer no."""
    retraining = connect(application.target())
    question = runs.choose(retraining, number)
    runs.reject(retraining, question, reason)
    return answered(question, "refused", as_json=as_json)
