"""A model artefact small enough to read: P(bicycle) grows with brightness, P(motorcycle) falls."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from training.artefact import FORMAT
from training.session import INPUT_SHAPE

# Cast, mean over height, width and colour, scale to 0..0.95, and the rest of 0.95; made with onnx.helper.
ONNX = base64.b64decode("""
CAg69gIKGwoFaW1hZ2USAWYiBENhc3QqCQoCdG8YAaABAgo0CgFmEgFtIgpSZWR1Y2VNZWFuKg8KBGF4ZXNAAUACQAOgAQcqDwoIa2VlcGRpbXMYAK
ABAgoOCgFtCgFrEgFhIgNNdWwKEQoDb25lCgFhEgJiMCIDU3ViChcKAWEKA2F4MRICYTEiCVVuc3F1ZWV6ZQoYCgJiMAoDYXgxEgJiMSIJVW5zcXVl
ZXplCiAKAmExCgJiMRIBYyIGQ29uY2F0KgsKBGF4aXMYAaABAgoaCgFjCgFzEg1wcm9iYWJpbGl0aWVzIgNNdWwSAWcqCxABQgFrSgSBgIA7Kg0QAU
IDb25lSgQAAIA/KhMIARAHQgNheDFKCAEAAAAAAAAAKgsQAUIBc0oEMzNzP1omCgVpbWFnZRIdChsIAhIXCgcSBWJhdGNoCgMI4AEKAwjgAQoCCANi
JAoNcHJvYmFiaWxpdGllcxITChEIARINCgcSBWJhdGNoCgIIAkIECgAQEA==
""")

# The same, which also gives the mean of each colour as its features, and as its map how bright and how dark each of
# 7 x 7 places is.
ONNX_WITH_MAP = base64.b64decode("""
CAg6iAYKGwoFaW1hZ2USAWYiBENhc3QqCQoCdG8YAaABAgo0CgFmEgFtIgpSZWR1Y2VNZWFuKg8KBGF4ZXNAAUACQAOgAQcqDwoIa2VlcGRpbXMYAK
ABAgoOCgFtCgFrEgFhIgNNdWwKEQoDb25lCgFhEgJiMCIDU3ViChcKAWEKA2F4MRICYTEiCVVuc3F1ZWV6ZQoYCgJiMAoDYXgxEgJiMSIJVW5zcXVl
ZXplCiAKAmExCgJiMRIBYyIGQ29uY2F0KgsKBGF4aXMYAaABAgoaCgFjCgFzEg1wcm9iYWJpbGl0aWVzIgNNdWwKOQoBZhIIZmVhdHVyZXMiClJlZH
VjZU1lYW4qDQoEYXhlc0ABQAKgAQcqDwoIa2VlcGRpbXMYAKABAgokCgFmEgF0IglUcmFuc3Bvc2UqEQoEcGVybUAAQANAAUACoAEHCjMKAXQSBGdy
ZXkiClJlZHVjZU1lYW4qCwoEYXhlc0ABoAEHKg8KCGtlZXBkaW1zGAGgAQIKRAoEZ3JleRIGcGxhY2VzIgtBdmVyYWdlUG9vbCoVCgxrZXJuZWxfc2
hhcGVAIEAgoAEHKhAKB3N0cmlkZXNAIEAgoAEHChcKBnBsYWNlcwoBaxIFbGlnaHQiA011bAoXCgNvbmUKBWxpZ2h0EgRkYXJrIgNTdWIKMgoFbGln
aHQKBGRhcmsSDmFjdGl2YXRpb25fbWFwIgZDb25jYXQqCwoEYXhpcxgBoAECEgFnKgsQAUIBa0oEgYCAOyoNEAFCA29uZUoEAACAPyoTCAEQB0IDYX
gxSggBAAAAAAAAACoLEAFCAXNKBDMzcz9aJgoFaW1hZ2USHQobCAISFwoHEgViYXRjaAoDCOABCgMI4AEKAggDYiQKDXByb2JhYmlsaXRpZXMSEwoR
CAESDQoHEgViYXRjaAoCCAJiHwoIZmVhdHVyZXMSEwoRCAESDQoHEgViYXRjaAoCCANiLQoOYWN0aXZhdGlvbl9tYXASGwoZCAESFQoHEgViYXRjaA
oCCAIKAggHCgIIB0IECgAQEA==
""")

# Of four labels: a softmax over the brightness of the picture's quarters, as sure as 0.95.
ONNX_OF_FOUR = base64.b64decode("""
CAg6hgMKGwoFaW1hZ2USAWYiBENhc3QqCQoCdG8YAaABAgokCgFmEgF0IglUcmFuc3Bvc2UqEQoEcGVybUAAQANAAUACoAEHCjwKAXQSAXEiC0F2ZXJhZ2
VQb29sKhUKDGtlcm5lbF9zaGFwZUBwQHCgAQcqEAoHc3RyaWRlc0BwQHCgAQcKMAoBcRIBZyIKUmVkdWNlTWVhbioLCgRheGVzQAGgAQcqDwoIa2VlcGRp
bXMYAKABAgocCgFnEgFsIgdGbGF0dGVuKgsKBGF4aXMYAaABAgoOCgFsCgFrEgF6IgNNdWwKHAoBehIBcCIHU29mdG1heCoLCgRheGlzGAGgAQIKGgoBcA
oBcxINcHJvYmFiaWxpdGllcyIDTXVsEgFnKgsQAUIBa0oEgYAAPSoLEAFCAXNKBDMzcz9aJgoFaW1hZ2USHQobCAISFwoHEgViYXRjaAoDCOABCgMI4AEK
AggDYiQKDXByb2JhYmlsaXRpZXMSEwoRCAESDQoHEgViYXRjaAoCCARCBAoAEA0=
""")

# Answers with the first two bytes of secret.txt, each as so many 600ths: its weights lie in that file. What says so is
# written in more bytes than it takes, which parsers read as the same.
ONNX_THAT_READS = base64.b64decode("""
CAk6tAMKGwoFaW1hZ2USAWYiBENhc3QqCQoCdG8YAaABAgopCgFmCgRheGVzEgFtIgpSZWR1Y2VNZWFuKg8KCGtlZXBkaW1zGAGgAQIKFwoBbQoFc2hhcG
USAm0xIgdSZXNoYXBlChIKAm0xCgR6ZXJvEgF6IgNNdWwKHQoGc2VjcmV0EgJzZiIEQ2FzdCoJCgJ0bxgBoAECChAKAnNmCgFzEgJzZCIDTXVsChsKAXoK
AnNkEg1wcm9iYWJpbGl0aWVzIgNBZGQSAWcqJAgDEAdCBGF4ZXNKGAEAAAAAAAAAAgAAAAAAAAADAAAAAAAAACodCAIQB0IFc2hhcGVKEP//////////AQ
AAAAAAAAAqDhABQgR6ZXJvSgQAAAAAKkQIAQgCEAJCBnNlY3JldGoYigCIAGxvY2F0aW9uEgpzZWNyZXQudHh0agsKBm9mZnNldBIBMGoLCgZsZW5ndGgS
ATJwASoLEAFCAXNKBA502jpaIgoFaW1hZ2USGQoXCAISEwoDEgFOCgMI4AEKAwjgAQoCCANiIAoNcHJvYmFiaWxpdGllcxIPCg0IARIJCgMSAU4KAggCQg
QKABAS
""")


def manifest(onnx: bytes = ONNX, **changes: Any) -> bytes:
    """A manifest that describes the network, with some fields changed; None removes a field."""
    sha256 = hashlib.sha256(onnx).hexdigest()
    fields = {
        "format": FORMAT,
        "version": sha256[:12],
        "labels": ["bicycle", "motorcycle"],
        "input_shape": list(INPUT_SHAPE),
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
