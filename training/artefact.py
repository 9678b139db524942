"""The model artefact: model.tar.gz with exactly model.onnx and manifest.json, byte for byte the same from the same two.

No pickle, no paths, no times, no owners. What serves a model reads it with checks of its own.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

FORMAT: Final = 1
MODEL_MEMBER: Final = "model.onnx"
MANIFEST_MEMBER: Final = "manifest.json"
MAX_MEMBER_BYTES: Final = 64 * 1024 * 1024
VERSION_LENGTH: Final = 12


class ArtefactRefusedError(Exception):
    """The file is no model artefact of ours; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Artefact:
    """The two members of model.tar.gz."""

    onnx: bytes
    manifest: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The short name of this model."""
        return str(self.manifest["version"])


def compose(onnx: bytes, threshold: float, details: Mapping[str, object]) -> Artefact:
    """The artefact of an exported network; the details say where it comes from and how good it is."""
    digest = hashlib.sha256(onnx).hexdigest()
    manifest = {
        "format": FORMAT,
        "version": digest[:VERSION_LENGTH],
        "labels": list(LABELS),
        "input_shape": [MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3],
        "input_dtype": "uint8",
        "threshold": threshold,
        "sha256": digest,
        **details,
    }
    return Artefact(onnx, manifest)


def write_artefact(artefact: Artefact, path: Path) -> None:
    """Write model.tar.gz."""
    manifest = json.dumps(artefact.manifest, indent=2, ensure_ascii=False).encode() + b"\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in ((MANIFEST_MEMBER, manifest), (MODEL_MEMBER, artefact.onnx)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
            tar.addfile(entry, io.BytesIO(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(packed.getvalue(), compresslevel=9, mtime=0))


def read_artefact(path: Path) -> Artefact:
    """Read back what write_artefact wrote, or say why it is something else."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            contents = {name: _content(tar, name) for name in (MANIFEST_MEMBER, MODEL_MEMBER)}
        manifest = json.loads(contents[MANIFEST_MEMBER])
    except (OSError, EOFError, tarfile.TarError, ValueError) as exc:
        raise ArtefactRefusedError(f"{path} cannot be read as a model.tar.gz. Train one, or name another.") from exc
    onnx = contents[MODEL_MEMBER]
    if not isinstance(manifest, dict) or manifest.get("sha256") != hashlib.sha256(onnx).hexdigest():
        raise ArtefactRefusedError(f"{path} holds a network that its manifest does not describe. Train it again.")
    if manifest.get("labels") != list(LABELS):
        raise ArtefactRefusedError(f"{path} tells {manifest.get('labels')} apart, not {list(LABELS)}. Train it again.")
    return Artefact(onnx, manifest)


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    try:
        member = tar.getmember(name)
    except KeyError as exc:
        raise tarfile.TarError(f"no {name}") from exc
    stream = tar.extractfile(member) if member.isfile() and member.size <= MAX_MEMBER_BYTES else None
    if stream is None:
        raise tarfile.TarError(f"{name} is no plain file of a sensible size")
    return stream.read()
