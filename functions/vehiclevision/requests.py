"""What the three functions accept: the state machine's input, checked field by field before anything is done."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vehiclevision.decision import Opinion
from vehiclevision.errors import InvalidRequestError

MAX_KEY_BYTES: Final = 1024  # S3's own limit
MAX_IMAGE_DATA_CHARACTERS: Final = 64 * 1024  # as much as the image gate ever hands on
# The gate makes JPEGs. Earlier releases made PNGs: an event kept from then, or made by hand, may hold one.
CONTENT_TYPES: Final = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


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
        if len(key.encode()) > MAX_KEY_BYTES:
            raise InvalidRequestError(f"s3_key is longer than {MAX_KEY_BYTES} bytes, which no S3 key is")
        version = _text(fields, "version_id") if fields.get("version_id") not in (None, "") else None
        return cls(_text(fields, "s3_bucket"), key, version)


@dataclass(frozen=True)
class Picture:
    """A picture for the endpoint, and the content type that its first bytes tell."""

    content: bytes
    content_type: str

    @classmethod
    def from_event(cls, event: Any) -> "Picture":
        """Read image_data, which Serialize image handed on, out of its base64."""
        text = _text(_mapping(event), "image_data")
        if len(text) > MAX_IMAGE_DATA_CHARACTERS:
            raise InvalidRequestError(f"image_data is longer than {MAX_IMAGE_DATA_CHARACTERS} characters")
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise InvalidRequestError("image_data is not base64; take it from the output of Serialize image") from exc
        for first_bytes, content_type in CONTENT_TYPES:
            if content.startswith(first_bytes):
                return cls(content, content_type)
        raise InvalidRequestError("image_data is neither JPEG nor PNG; take it from the output of Serialize image")


def inferences(event: Any) -> list[Any]:
    """The list of confidences that Classify image handed on; answer.checked judges the numbers."""
    value = _mapping(event).get("inferences")
    if not isinstance(value, list):
        raise InvalidRequestError("inferences must be a list; take it from the output of Classify image")
    return value


def second_opinion(event: Any) -> Opinion | None:
    """What Classify image was told by somebody else, if it asked."""
    told = _mapping(event).get("second_opinion")
    if told is None:
        return None
    fields = _mapping(told)
    confidence = fields.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise InvalidRequestError("second_opinion needs a confidence from 0 to 1; take it from Classify image")
    return Opinion(_text(fields, "by"), _text(fields, "label"), float(confidence))


def _mapping(event: Any) -> Mapping[str, Any]:
    if not isinstance(event, Mapping):
        raise InvalidRequestError("the event must be a JSON object")
    return event


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"{name} is missing; give it as a text")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidRequestError(f"{name} holds half a character, a lone surrogate; give it whole") from exc
    return value
