"""What the newest check of an endpoint says; read without what a check itself needs."""

import json
from typing import Any, Final

from vehiclevision.storage import read_or_none

RESULT: Final = "check.json"


def room_of(endpoint: str) -> str:
    """The folder, in the bucket of captures, of all that monitoring keeps about an endpoint."""
    return f"monitoring/{endpoint}"


def last_check(s3: Any, bucket: str, endpoint: str) -> dict[str, Any] | None:
    """What the newest check says; one level of folders after the other, as there are few a level."""
    prefix = f"{room_of(endpoint)}/"
    for _ in range(4):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/")
        below = [each["Prefix"] for each in listed.get("CommonPrefixes", [])]
        numbered = [each for each in below if each.removeprefix(prefix).strip("/").isdigit()]
        if not numbered:
            return None
        prefix = max(numbered)
    content = read_or_none(s3, bucket, prefix + RESULT)
    return None if content is None else dict(json.loads(content))
