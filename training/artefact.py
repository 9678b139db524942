"""The model artefact: model.tar.gz with exactly model.onnx and manifest.json, byte for byte the same from the same two.

No pickle, no paths, no times, no owners. Whoever uses a model, to serve or to measure it, reads it here: whatever is
not exactly one artefact is refused, nothing is ever unpacked to disk, and both members are read within limits.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from training.errors import ModelRefusedError
from training.session import (
    BATCH,
    FEATURES_NAME,
    INPUT_NAME,
    INPUT_SHAPE,
    MAP_NAME,
    OUTPUT_NAME,
    Images,
    Probabilities,
    open_onnx,
    run_session,
)
from vehiclevision.labels import LABELS

DEFAULT_MODEL: Final = Path(__file__).parent / "model" / "model.tar.gz"
FORMAT: Final = 2
# Its models took pictures of 32 x 32 pixels.
EARLIER_FORMAT: Final = 1
MODEL_MEMBER: Final = "model.onnx"
MANIFEST_MEMBER: Final = "manifest.json"
MEMBERS: Final = frozenset({MODEL_MEMBER, MANIFEST_MEMBER})
MAX_ARTEFACT_BYTES: Final = 64 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 128 * 1024 * 1024
MAX_MANIFEST_BYTES: Final = 1024 * 1024
# Two members, each with what its packer says of times and owners.
MAX_HEADERS: Final = 8
EXTENDED_HEADERS: Final = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE})
MAX_FEATURES: Final = 4096
MAX_MAP_SIDE: Final = 64
VERSION_LENGTH: Final = 12
# The version travels in an HTTP header.
VERSION_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# How an ONNX tensor says that its data lies in another file (StringStringEntryProto with key "location").
EXTERNAL_DATA_MARK: Final = b"\x0a\x08location"
SUM_TOLERANCE: Final = 1e-4
_TRAIN: Final = "Train one with: vehiclevision train"


@dataclass(frozen=True)
class Artefact:
    """The two members of model.tar.gz, as training writes them."""

    onnx: bytes
    manifest: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The short name of this model."""
        return str(self.manifest["version"])


@dataclass(frozen=True)
class Manifest:
    """What a model says about itself; `fields` is the whole of it."""

    version: str
    threshold: float
    sha256: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A model that passed every check."""

    manifest: Manifest
    session: onnxruntime.InferenceSession

    def predict(self, images: Images, batch: int = BATCH) -> Probabilities:
        """The probability of each label for each image, uint8 [n, side, side, 3]."""
        return run_session(self.session, images, batch)


# ---- writing -------------------------------------------------------------------------------------


def compose(onnx: bytes, threshold: float, details: Mapping[str, object]) -> Artefact:
    """The artefact of an exported network; the details say where it comes from and how good it is."""
    digest = hashlib.sha256(onnx).hexdigest()
    manifest = {
        "format": FORMAT,
        "version": digest[:VERSION_LENGTH],
        "labels": list(LABELS),
        "input_shape": list(INPUT_SHAPE),
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


# ---- reading -------------------------------------------------------------------------------------


def load_model(path: Path) -> Model:
    """Read, check and ready a model artefact; raises ModelRefusedError with the reason."""
    return checked_model(read_members(path), path)


def checked_model(members: Mapping[str, bytes], path: Path) -> Model:
    """The model of an artefact's two members; ModelRefusedError for what is none."""
    manifest = parse_manifest(members[MANIFEST_MEMBER])
    onnx = members[MODEL_MEMBER]
    if hashlib.sha256(onnx).hexdigest() != manifest.sha256:
        raise _refused(path, "its model.onnx is not the one its manifest describes (sha256 differs)")
    if EXTERNAL_DATA_MARK in onnx:
        raise _refused(path, "its model.onnx keeps data in other files")
    model = Model(manifest, open_session(onnx, path))
    check_answers(model, path)
    return model


def read_members(path: Path) -> dict[str, bytes]:
    """The artefact's two members, and nothing else, from a bounded reading of the file."""
    try:
        with path.open("rb") as file:
            packed = file.read(MAX_ARTEFACT_BYTES + 1)
    except OSError as error:
        raise _refused(path, f"it cannot be read ({error.strerror})") from error
    if len(packed) > MAX_ARTEFACT_BYTES:
        raise _refused(path, f"it is larger than {MAX_ARTEFACT_BYTES} bytes")
    try:
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        unpacked = stream.decompress(packed, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise _refused(path, "it is no gzip file") from error
    if stream.unconsumed_tail:
        raise _refused(path, f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    if not stream.eof:
        raise _refused(path, "it is cut short")
    return _exactly_two(unpacked, path)


def _exactly_two(archive: bytes, path: Path) -> dict[str, bytes]:
    """The members, read header by header: what extended headers say of them is passed over, whatever it is."""
    parts: dict[str, bytes] = {}
    at = 0
    for _ in range(MAX_HEADERS):
        header = archive[at : at + tarfile.BLOCKSIZE]
        if not header.strip(b"\0"):
            break
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise _refused(path, "it is no tar archive") from error
        content = archive[at + len(header) : at + len(header) + member.size]
        if len(content) != member.size:
            raise _refused(path, "it is no tar archive")
        at += len(header) + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        if member.type in EXTENDED_HEADERS:
            continue
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.name not in MEMBERS or member.name in parts:
            raise _refused(path, f"it holds an unexpected member: {member.name[:80]!r}")
        if member.name == MANIFEST_MEMBER and member.size > MAX_MANIFEST_BYTES:
            raise _refused(path, "its manifest is too large")
        parts[member.name] = content
    if missing := MEMBERS - parts.keys():
        raise _refused(path, f"it lacks {' and '.join(sorted(missing))}")
    return parts


def parse_manifest(text: bytes) -> Manifest:
    """The manifest, if it describes a model that this release can serve."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError("The model's manifest is no JSON.", _TRAIN) from error
    if not isinstance(fields, dict):
        raise ModelRefusedError("The model's manifest is no JSON object.", _TRAIN)
    expected: dict[str, Any] = {
        "format": FORMAT,
        "input_shape": list(INPUT_SHAPE),
        "input_dtype": "uint8",
    }
    if fields.get("format") == EARLIER_FORMAT and not isinstance(fields["format"], bool):
        raise ModelRefusedError(
            "The model is of an earlier release, which looked at 32 x 32 pixels of a photo.", _TRAIN
        )
    for name, value in expected.items():
        if fields.get(name) != value or isinstance(fields.get(name), bool):
            said = repr(fields.get(name))[:80]
            raise ModelRefusedError(f"The model's manifest says {name} = {said}, expected {value!r}.", _TRAIN)
    if fields.get("labels") != list(LABELS):
        raise ModelRefusedError(
            f"The model tells {_listed(fields.get('labels'))} apart, and vehicles.toml names {', '.join(LABELS)}.",
            f"{_TRAIN}; or write vehicles.toml as it was.",
        )
    version, threshold, sha256 = fields.get("version"), fields.get("threshold"), fields.get("sha256")
    if not isinstance(version, str) or not VERSION_PATTERN.fullmatch(version):
        raise ModelRefusedError("The model's version is no short plain word.", _TRAIN)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ModelRefusedError("The model's threshold is no number from 0 to 1.", _TRAIN)
    if not isinstance(sha256, str):
        raise ModelRefusedError("The model's manifest has no sha256.", _TRAIN)
    for name in ("metrics", "costs"):
        if not isinstance(fields.get(name) or {}, dict):
            raise ModelRefusedError(f"The model's {name} are no JSON object.", _TRAIN)
    return Manifest(version, float(threshold), sha256, fields)


def _listed(labels: object) -> str:
    """The labels of somebody's manifest, as a sentence can hold them."""
    if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
        return repr(", ".join(labels))[1:-1][:200]
    return "nothing that it names"


def open_session(onnx: bytes, path: Path) -> onnxruntime.InferenceSession:
    """The network, with the input and output that the contract names."""
    try:
        session = open_onnx(onnx)
        named = (*session.get_inputs(), *session.get_outputs())
        ports = [(port.name, port.type, list(port.shape)[1:]) for port in named]
    # onnxruntime's errors share no base of their own; a name that is not UTF-8 is one more.
    except Exception as error:
        raise _refused(path, "its model.onnx cannot be loaded") from error
    expected = [(INPUT_NAME, "tensor(uint8)", list(INPUT_SHAPE)), (OUTPUT_NAME, "tensor(float)", [len(LABELS)])]
    if ports[:2] != expected or not _extras(ports[2:]):
        raise _refused(path, f"its input and output are {str(ports)[:200]}")
    return session


def _extras(ports: list[tuple[str, str, list[Any]]]) -> bool:
    """Nothing more, or the features, or features and map, each of a bounded size."""
    match ports:
        case []:
            return True
        case [features]:
            return _are_features(features)
        case [features, (name, "tensor(float)", [int(labels), int(rows), int(columns)])]:
            sides_fit = 0 < rows <= MAX_MAP_SIDE and 0 < columns <= MAX_MAP_SIDE
            return _are_features(features) and name == MAP_NAME and labels == len(LABELS) and sides_fit
    return False


def _are_features(port: tuple[str, str, list[Any]]) -> bool:
    name, kind, shape = port
    return (
        name == FEATURES_NAME
        and kind == "tensor(float)"
        and len(shape) == 1
        and isinstance(shape[0], int)
        and 0 < shape[0] <= MAX_FEATURES
    )


def check_answers(model: Model, path: Path) -> None:
    """A dark, a bright and a mixed image must each give probabilities, in a batch as well as alone."""
    ramp = np.arange(np.prod(INPUT_SHAPE), dtype=np.uint32).reshape(INPUT_SHAPE).astype(np.uint8)
    batch = np.stack([np.zeros(INPUT_SHAPE, np.uint8), np.full(INPUT_SHAPE, 255, np.uint8), ramp])
    try:
        answers = np.concatenate([model.predict(batch), model.predict(batch[:1])])
    # onnxruntime's errors share no base of their own.
    except Exception as error:
        raise _refused(path, "it fails on a plain image") from error
    sound = answers.shape == (4, len(LABELS)) and np.isfinite(answers).all()
    if not sound or answers.min() < 0 or answers.sum(axis=1).max() > 1 + SUM_TOLERANCE:
        raise _refused(path, "its answers are no probabilities")


def _refused(path: Path, reason: str) -> ModelRefusedError:
    return ModelRefusedError(f"The model {path} is refused: {reason}.", _TRAIN)
