"""One line of a capture file, read: whatever SageMaker or anybody else wrote there, nothing is raised.

SageMaker says of each side how its data is encoded. Without a list of JSON content types, which boto3 does not set,
even a JSON answer is in base64.
"""

import binascii
import csv
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from vehiclevision.answer import Answer, checked
from vehiclevision.errors import InvalidPredictionError
from vehiclevision.labels import LABELS

MAX_ID_LENGTH: Final = 256
# A clock that is further off than this says nothing; it also bounds how many hours there can be.
YEARS: Final = range(2015, 2100)
# An answer to one picture is short; a longer one is somebody else's.
MAX_ANSWER_LENGTH: Final = 4096

_MODEL_VERSION: Final = re.compile(r"(?:^|[,;\s])model_version=([\w.:/-]{1,64})", re.ASCII)
_MAGIC: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
# Why a line, or what is left of a file, could not be read.
REASONS: Final = {
    "empty": "empty lines",
    "unfinished": "still being written",
    "too_long": "too long for a captured request",
    "not_utf8": "not UTF-8",
    "not_json": "not JSON",
    "too_deep": "nested too deeply",
    "not_an_object": "JSON, but no object",
    "no_capture_data": "JSON, but no captured data",
    "wrong_type": "something of the wrong type in it",
    "bad_base64": "damaged base64",
    "unknown_encoding": "in an unknown encoding",
    "damaged_gzip": "in a damaged gzip file",
    "gzip_bomb": "in a gzip file that unpacks without end",
    "vanished": "in a file that went away",
    "refused": "in a file that could not be read to its end",
}
# Names under which serving frameworks put the one list that is the answer.
_WRAPPERS: Final = ("predictions", "probabilities", "outputs", "scores")


@dataclass(frozen=True, slots=True)
class Captured:
    """A capture record: the model's answer if it holds one of ours, the picture as sent if it holds one."""

    answer: Answer | None
    picture: bytes | None
    at: datetime | None
    event_id: str
    inference_id: str
    model_version: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no capture record, and why: one of REASONS."""

    reason: str


class _RefusedError(Exception):
    """Ends the reading of a line with its reason."""


def parse(line: bytes) -> Captured | Unreadable:
    """Read one line; never raises, whatever the bytes."""
    try:
        return _record(_decoded(line))
    except _RefusedError as refused:
        return Unreadable(str(refused))


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_JSON: Final = json.JSONDecoder(parse_constant=_constant)


def _decoded(line: bytes) -> Any:
    if not line or line.isspace():
        raise _RefusedError("empty")
    try:
        # A byte order mark may begin a file; JSON itself has none.
        return _JSON.decode(line.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as exc:
        raise _RefusedError("not_utf8") from exc
    except ValueError as exc:
        raise _RefusedError("not_json") from exc
    except RecursionError as exc:
        raise _RefusedError("too_deep") from exc


def _record(fields: Any) -> Captured:
    if not isinstance(fields, dict):
        raise _RefusedError("not_an_object")
    data = fields.get("captureData")
    if not isinstance(data, dict):
        raise _RefusedError("no_capture_data")
    metadata = fields.get("eventMetadata")
    if not isinstance(metadata, dict):
        metadata = {}
    return Captured(
        answer=_answer(data.get("endpointOutput")),
        picture=_picture(data.get("endpointInput")),
        at=_time(metadata.get("inferenceTime")),
        event_id=_name(metadata.get("eventId")),
        inference_id=_name(metadata.get("inferenceId")),
        model_version=_version(metadata.get("customAttributes")),
    )


def _side(side: Any) -> tuple[bytes, str] | None:
    """Content and plain content type of one side, or None when it was not captured."""
    if side is None:
        return None
    if not isinstance(side, dict):
        raise _RefusedError("wrong_type")
    data, encoding, content_type = side.get("data"), side.get("encoding"), side.get("observedContentType")
    if data is None:
        return None
    if not isinstance(data, str):
        if encoding != "JSON" or not isinstance(data, list | dict):
            raise _RefusedError("wrong_type")
        data = json.dumps(data)
    plain = content_type.partition(";")[0].strip().lower() if isinstance(content_type, str) else ""
    kind = encoding.upper() if isinstance(encoding, str) else encoding
    if kind == "BASE64":
        try:
            return binascii.a2b_base64(data, strict_mode=True), plain
        except ValueError as exc:
            raise _RefusedError("bad_base64") from exc
    if kind not in ("JSON", "CSV", None):
        raise _RefusedError("unknown_encoding")
    return data.encode(errors="replace"), plain


def _picture(side: Any) -> bytes | None:
    sent = _side(side)
    if sent is None:
        return None
    content, content_type = sent
    declared = content_type.startswith("image/") or content_type == "application/x-image"
    return content if declared or _looks_like_picture(content) else None


def _looks_like_picture(content: bytes) -> bool:
    return content.startswith(_MAGIC) or (content.startswith(b"RIFF") and content[8:12] == b"WEBP")


def _answer(side: Any) -> Answer | None:
    """An answer, where the output is clearly one: as many numbers as labels, alone, in the usual wrapping, or named."""
    answered = _side(side)
    if answered is None or len(answered[0]) > MAX_ANSWER_LENGTH:
        return None
    text = answered[0].decode(errors="replace").strip()
    try:
        values = _JSON.decode(text)
        if isinstance(values, str):  # JSON in a JSON string
            values = _JSON.decode(values)
    except (ValueError, RecursionError):
        values = _row(text)
    return _probabilities(_unwrapped(values))


def _unwrapped(values: Any) -> Any:
    if isinstance(values, dict):
        if all(label in values for label in LABELS):
            return [values[label] for label in LABELS]
        named = [values[name] for name in _WRAPPERS if name in values]
        values = named[0] if len(named) == 1 else None
    if isinstance(values, list) and len(values) == 1:
        return values[0]
    return values


def _row(text: str) -> list[float] | None:
    """The numbers of a single row of CSV."""
    try:
        rows = list(csv.reader(text.splitlines()))
        return [float(value) for value in rows[0]] if len(rows) == 1 else None
    except (csv.Error, ValueError):
        return None


def _probabilities(values: Any) -> Answer | None:
    try:
        return checked(values) if isinstance(values, list) else None
    except InvalidPredictionError:
        return None


def _time(value: Any) -> datetime | None:
    """The moment in UTC; a time without a zone is UTC, as SageMaker's are."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year in YEARS else None


def _name(value: Any) -> str:
    return value[:MAX_ID_LENGTH] if isinstance(value, str) else ""


def _version(attributes: Any) -> str | None:
    """The model version that our server puts into the custom attributes."""
    each = attributes if isinstance(attributes, list) else [attributes]
    for text in each:
        if isinstance(text, str) and (named := _MODEL_VERSION.search(text[:1024])):
            return named.group(1)
    return None
