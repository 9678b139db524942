"""The key that one state folder's servers ask for: made at the first start, readable by its owner only.

Functions sign with a key of their role, as in AWS. Its secret follows from this one: every server of the folder knows
it, and nobody does who has only read the templates.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalAwsError
from local.processes import private_folder, read_json


@dataclass(frozen=True)
class Credentials:
    """The account's root user in one local AWS."""

    access_key_id: str
    secret_access_key: str

    def derived(self, purpose: str) -> str:
        """A secret for one purpose, from which this one cannot be found."""
        return hmac.new(self.secret_access_key.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    @property
    def worker_secret(self) -> str:
        """What a Lambda worker says to get its work."""
        return self.derived("Lambda runtime API")

    def secret_of(self, access_key_id: str) -> str | None:
        """The secret that signs with this key; None for every other."""
        return self.secret_access_key if access_key_id == self.access_key_id else None


def of(directory: Path) -> Credentials:
    """The credentials of a state folder, made if there are none yet."""
    path = directory / "credentials.json"
    if not path.exists():
        _make(path)
    fields = read_json(path)
    try:
        return Credentials(str(fields["access_key_id"]), str(fields["secret_access_key"]))
    except KeyError as error:
        raise LocalAwsError(f"{path} is damaged.", "Delete it; the next `vehiclevision up` makes a new one.") from error


def _make(path: Path) -> None:
    """Of two processes that make one at the same time, the first wins."""
    private_folder(path.parent)
    made = {"access_key_id": f"LOCAL{secrets.token_hex(8).upper()}", "secret_access_key": secrets.token_urlsafe(30)}
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.touch(0o600)
    temporary.write_text(json.dumps(made, indent=1))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
