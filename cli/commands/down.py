"""Stop the local AWS; what it holds is kept."""

from cli.display import output
from cli.errors import SUCCESS
from cli.target import state_directory
from local import stack


def command() -> int:
    """Stop it if it runs."""
    directory = state_directory()
    if not stack.status(directory).runs:
        output().print("The local AWS is not running.")
        return SUCCESS
    stack.stop(directory)
    output().print("The local AWS is stopped. What it holds is kept for the next start.")
    return SUCCESS
