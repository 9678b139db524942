"""Start a run and follow it.

It looks first whether to go on: labels, hold-out, cool-down, budget. The exit code is 0 if the run did what it should,
also when it was held back or the new model was refused; --json says which.
"""

from cli import retraining
from cli.options import Application, AsJson, NoWait


def command(application: Application, no_wait: NoWait = False, as_json: AsJson = False) -> int:
    """Start a run and follow it."""
    return retraining.start(application.target(), wait=not no_wait, as_json=as_json)
