"""Let a better model go live that waits for approval."""

from cli import retraining
from cli.options import Application, AsJson, VersionNumber


def command(application: Application, number: VersionNumber = None, as_json: AsJson = False) -> int:
    """Let a model go live."""
    return retraining.approve(application.target(), number, as_json=as_json)
