"""Show the latest runs, what came of them, and which models wait for approval."""

from cli import retraining
from cli.options import Application, AsJson


def command(application: Application, as_json: AsJson = False) -> int:
    """Show the latest runs."""
    return retraining.describe(application.target(), as_json=as_json)
