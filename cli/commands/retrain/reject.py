"""Refuse a model that waits for approval; the present one stays."""

from cli.options import Application, AsJson, Reason, RegisteredVersion
from cli.retraining import answered, asked
from retraining import runs


def command(
    application: Application, name: RegisteredVersion = None, reason: Reason = "", as_json: AsJson = False
) -> int:
    """Answer no."""
    retraining, question = asked(application.target(), name)
    runs.reject(retraining, question, reason)
    return answered(question, "refused", as_json=as_json)
