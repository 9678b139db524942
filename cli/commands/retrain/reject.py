"""Refuse a model that waits for approval; the present one stays."""

from cli import retraining
from cli.options import Application, AsJson, Reason, VersionNumber


def command(
    application: Application, number: VersionNumber = None, reason: Reason = "", as_json: AsJson = False
) -> int:
    """Refuse a model."""
    return retraining.reject(application.target(), number, reason, as_json=as_json)
