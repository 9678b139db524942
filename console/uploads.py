"""Photos that come in through the page: into the bucket, under the name that they had, with nothing done to them."""

from typing import Any, Final

from console.errors import ConsoleError
from vehiclevision.requests import MAX_KEY_BYTES
from vehiclevision.results import UPLOADS
from vehiclevision.storage import UNVERSIONED

# Somewhat more than the gate takes: what is a little too large is refused there, with a record; this is for the rest.
MAX_BYTES: Final = 32 * 1024 * 1024
TOO_LARGE: Final = (f"The file is larger than {MAX_BYTES // 1024**2} MiB.", "Send a smaller photo.")


def key_of(name: str) -> str:
    """The key that a file of that name goes to; ConsoleError where S3 can have none."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    key = UPLOADS + "/".join(parts)
    if not parts:
        raise ConsoleError("The file has no name.", "Give it one, then drop it again.")
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise ConsoleError("The file's name is not valid UTF-8, which S3 keys must be.", "Rename it.") from error
    if length > MAX_KEY_BYTES:
        raise ConsoleError(f"The name has {length:,} bytes and S3 allows {MAX_KEY_BYTES:,}.", "Shorten it.")
    return key


def put(s3: Any, bucket: str, key: str, body: bytes) -> str:
    """Into the bucket; the version that came of it."""
    return str(s3.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId") or UNVERSIONED)
