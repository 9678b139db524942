"""Turns a captured picture and its answer into the flat record that SageMaker Model Monitor understands.

Model Monitor's container loads this one file and calls `preprocess_handler` for every captured record; the file needs
the standard library only, and an old Python will do. A record of another kind counts as none.
"""

import base64
import binascii
import json
import struct
from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035 - the container's Python may be 3.7

# Replaced by those of vehicles.toml on the way to the bucket (monitoring.model_monitor.schedule).
LABELS = ("bicycle", "motorcycle")
SUM_TOLERANCE = 1e-3
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
# Markers before which a JPEG's size stands; the others among C0 to CF are tables.
JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def preprocess_handler(inference_record: Any) -> Union[Dict[str, Any], List[Any]]:  # noqa: UP006, UP007
    """One flat record, always with the same columns; an empty list for what is no answer of ours."""
    answers = answers_of(inference_record.endpoint_output)
    if answers is None:
        return []
    payload = payload_of(inference_record.endpoint_input)
    width, height = size_of(payload)
    second, surest = sorted(answers)[-2:]
    flat = {
        **dict(zip(LABELS, answers)),  # noqa: B905 - the container's Python may not know strict
        "confidence": surest,
        "height": height,
        "label": LABELS[answers.index(surest)],
        "payload_bytes": len(payload),
        "sureness": surest - second,
        "width": width,
    }
    return {name: flat[name] for name in sorted(flat)}


def answers_of(side: Any) -> Optional[List[float]]:  # noqa: UP006, UP045
    """A probability for each label, or None."""
    text = payload_of(side)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != len(LABELS):
        return None
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            return None
    if sum(values) > 1 + SUM_TOLERANCE:
        return None
    return [float(value) for value in values]


def payload_of(side: Any) -> bytes:
    """The bytes that were on the wire; none if there are none."""
    data = getattr(side, "data", None)
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        return b""
    if str(getattr(side, "encoding", "")).upper() != "BASE64":
        return data.encode("utf-8", "replace")
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        return b""


def size_of(payload: bytes) -> Tuple[int, int]:  # noqa: UP006
    """Width and height from the header of a PNG or JPEG; zeros for anything else."""
    if payload.startswith(PNG) and payload[12:16] == b"IHDR" and len(payload) >= 24:
        width, height = struct.unpack(">II", payload[16:24])
        return width, height
    if payload.startswith(JPEG):
        return jpeg_size(payload)
    return 0, 0


def jpeg_size(payload: bytes) -> Tuple[int, int]:  # noqa: UP006
    """Width and height from the frame header, found from segment to segment."""
    at = 2
    while at + 9 <= len(payload) and payload[at] == 0xFF:
        marker = payload[at + 1]
        if marker in JPEG_SIZES:
            height, width = struct.unpack(">HH", payload[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", payload[at + 2 : at + 4])[0]
    return 0, 0
