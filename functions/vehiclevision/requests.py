"""What the three functions accept: the state machine's input, checked field by field before anything is done."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vehiclevision.errors import InvalidRequestError

MAX_KEY_BYTES = 1024  # S3's own limit
MAX_IMAGE_DATA_CHARACTERS = 64 * 1024  # a 32 x 32 PNG has about 3 KB


@dataclass(frozen=True)
class ObjectVersion:
    """One version of one object; without a version, the newest."""

    s3_bucket: str
    s3_key: str
    version_id: str | None

    @classmethod
    def from_event(cls, event: Any) -> "ObjectVersion":
        """Read s3_bucket, s3_key and, if there is one, version_id."""
        fields = _mapping(event)
        key = _text(fields, "s3_key")
        if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
            raise InvalidRequestError(f"s3_key is longer than {MAX_KEY_BYTES} bytes, which no S3 key is")
        version = fields.get("version_id")
        if version is not None and not isinstance(version, str):
            raise InvalidRequestError("version_id must be a text")
        return cls(_text(fields, "s3_bucket"), key, version or None)


def image_data(event: Any) -> bytes:
    """The PNG that Serialize image handed on, out of its base64."""
    text = _text(_mapping(event), "image_data")
    if len(text) > MAX_IMAGE_DATA_CHARACTERS:
        raise InvalidRequestError(f"image_data is longer than {MAX_IMAGE_DATA_CHARACTERS} characters")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidRequestError("image_data is not base64; take it from the output of Serialize image") from exc


def inferences(event: Any) -> list[Any]:
    """The pair of confidences that Classify image handed on; prediction.check judges the numbers."""
    value = _mapping(event).get("inferences")
    if not isinstance(value, list):
        raise InvalidRequestError("inferences must be a list; take it from the output of Classify image")
    return value


def _mapping(event: Any) -> Mapping[str, Any]:
    if not isinstance(event, Mapping):
        raise InvalidRequestError("the event must be a JSON object")
    return event


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"{name} is missing; give it as a text")
    return value
