"""Print what a shell needs to reach the local AWS: eval "$(vehiclevision env)".

Then the AWS CLI, boto3, SAM and the sagemaker SDK talk to it and to nothing else. The key is this state folder's own;
nobody but you can read it.
"""

import shlex

from cli.errors import SUCCESS
from cli.sam import local_environment


def command() -> int:
    """Print a line for each variable."""
    for name, value in local_environment().items():
        # Not through the console, which would break long lines.
        print(f"export {name}={shlex.quote(value)}")
    return SUCCESS
