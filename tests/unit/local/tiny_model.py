"""A model artefact small enough to read: P(bicycle) grows with brightness, P(motorcycle) falls."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

# Cast, mean over height, width and colour, scale to 0..0.95, and the rest of 0.95; made with onnx.helper.
ONNX = base64.b64decode("""
CAo67wIKGwoFaW1hZ2USAWYiBENhc3QqCQoCdG8YAaABAgonCgFmCgJheBIBbSIKUmVkdWNlTWVhbioPCghrZWVwZGltcxgAoAECCg4KAW0KAW
sSAWEiA011bAoRCgNvbmUKAWESAmIwIgNTdWIKFwoBYQoDYXgxEgJhMSIJVW5zcXVlZXplChgKAmIwCgNheDESAmIxIglVbnNxdWVlemUKIAoC
YTEKAmIxEgFjIgZDb25jYXQqCwoEYXhpcxgBoAECChoKAWMKAXMSDXByb2JhYmlsaXRpZXMiA011bBIBZyoNCAMQBzoDAQIDQgJheCoMCAEQBz
oBAUIDYXgxKgsQASIEgYCAO0IBayoNEAEiBAAAgD9CA29uZSoLEAEiBDMzcz9CAXNaJAoFaW1hZ2USGwoZCAISFQoHEgViYXRjaAoCCCAKAggg
CgIIA2IkCg1wcm9iYWJpbGl0aWVzEhMKEQgBEg0KBxIFYmF0Y2gKAggCQgQKABAS
""")


def manifest(onnx: bytes = ONNX, **changes: Any) -> bytes:
    """A manifest that describes the network, with some fields changed; None removes a field."""
    sha256 = hashlib.sha256(onnx).hexdigest()
    fields = {
        "format": 1,
        "version": sha256[:12],
        "labels": ["bicycle", "motorcycle"],
        "input_shape": [32, 32, 3],
        "input_dtype": "uint8",
        "threshold": 0.7,
        "sha256": sha256,
        **changes,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def packed(members: list[tuple[str, bytes]]) -> bytes:
    """A gzipped tar of plain files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def write_model(path: Path, onnx: bytes = ONNX, **changes: Any) -> Path:
    """A whole artefact."""
    path.write_bytes(packed([("model.onnx", onnx), ("manifest.json", manifest(onnx, **changes))]))
    return path
