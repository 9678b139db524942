"""The key that the servers of the tests' state folders ask for, so that a client needs no folder to be made."""

import json
from pathlib import Path

from local.credentials import Credentials
from local.processes import write_atomically

KEY = Credentials("TESTS", "the secret of the tests")


def give_key(directory: Path) -> None:
    """Let the servers of a state folder ask for the tests' key."""
    write_atomically(directory / "credentials.json", json.dumps(vars(KEY)))
