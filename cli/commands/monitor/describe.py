"""Show schedule, alarms, baseline and what the last check found."""

from cli import monitoring
from cli.options import Application, AsJson


def command(application: Application, as_json: AsJson = False) -> int:
    """Show what there is."""
    return monitoring.describe(application.target(), as_json=as_json)
