"""Print what a shell needs to reach the local AWS: eval "$(vehiclevision env)".

Then the AWS CLI, boto3, SAM and the sagemaker SDK talk to it and to nothing else. The key is this state folder's own;
nobody but you can read it.
"""

import shlex

from cli.display import typed
from cli.errors import SUCCESS, CommandError
from cli.target import state_directory
from local import stack


def command() -> int:
    """Print a line for each variable."""
    running = stack.running(state_directory())
    if running is None:
        raise CommandError("The local AWS is not running.", f"Start it with: {typed()} up --detach")
    for name, value in running.environment().items():
        # Not through the console, which would break long lines.
        print(f"export {name}={shlex.quote(value)}")
    return SUCCESS
