"""The data manifest: what a transformed folder holds, file by file; a folder without one is not complete.

Everything in it follows from the pictures, so the same pictures give the same bytes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from training.data.errors import DataRefusedError
from training.data.pictures import Refused

MANIFEST: Final = "manifest.json"
# Lies in a folder for as long as it is being written.
UNFINISHED: Final = ".vehiclevision-unfinished"
_FORMATS: Final = "vehiclevision-data-"
FORMAT: Final = f"{_FORMATS}2"
# Pictures of 32 x 32 pixels, as PNGs.
EARLIER_FORMAT: Final = f"{_FORMATS}1"
MAX_BYTES: Final = 1_000_000_000
MAX_PICTURE_BYTES: Final = 1_000_000

# The channels of SageMaker's built-in image classification, and the pictures that are in none of them.
TRAIN: Final = "train"
VALIDATION: Final = "validation"
TRAIN_LIST: Final = "train_lst"
VALIDATION_LIST: Final = "validation_lst"
REST: Final = "rest"
CHANNELS: Final = (TRAIN, VALIDATION, TRAIN_LIST, VALIDATION_LIST)
PICTURE_FOLDERS: Final = (TRAIN, VALIDATION, REST)
FOLDERS: Final = (*CHANNELS, REST)

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_AGAIN: Final = "Make the folder anew: vehiclevision data transform SOURCE --out DIR"


@dataclass(frozen=True)
class Entry:
    """One file of the folder: its path there, its content, the part of the split it belongs to, where it comes from.

    A list belongs to no part: "". Neither need a picture come from a source with a name.
    """

    path: str
    sha256: str
    bytes: int
    part: str = ""
    source: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture: a folder, its class, its name."""
        return self.path.split("/")[0] in PICTURE_FOLDERS

    @property
    def class_name(self) -> str:
        """The class of a picture."""
        return self.path.split("/")[1]


@dataclass(frozen=True)
class Manifest:
    """Facts about the data, the files of the source that the image gate kept out, and those made of the rest."""

    facts: Mapping[str, Any]
    refused: tuple[Refused, ...]
    entries: tuple[Entry, ...]

    @property
    def data_hash(self) -> str:
        """The hash of the pictures with their classes, whatever was made of them."""
        return str(self.facts["data_hash"])

    @property
    def version(self) -> str:
        """Where it goes in a bucket: by the data hash, and by what was made of the data."""
        return f"{self.data_hash[:12]}-{hashlib.sha256(self.to_bytes()).hexdigest()[:8]}"

    def to_bytes(self) -> bytes:
        """The file: facts, then refused and written files one a line."""
        facts = json.dumps({"format": FORMAT, **self.facts}, indent=1)[:-2]
        lists = (f'"{name}": [{_lines(items)}]' for name, items in (("refused", self.refused), ("files", self.entries)))
        return ",\n ".join((facts, *lists)).encode() + b"\n}\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a transformed folder, refused if it is damaged or leads out of the folder."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataRefusedError(f"{path} is too large for a data manifest.", _AGAIN)
        facts = json.loads(path.read_bytes())
        made_by = facts.pop("format")
        if made_by == EARLIER_FORMAT:
            raise DataRefusedError(
                f"{folder} was transformed by an earlier release, for a model that saw 32 x 32 pixels.", _AGAIN
            )
        refused = tuple(Refused(**item) for item in facts.pop("refused"))
        entries = tuple(Entry(**item) for item in facts.pop("files"))
        manifest = Manifest(facts, refused, entries)
        is_hash = _HASH.fullmatch(manifest.data_hash) is not None
        sound = made_by == FORMAT and is_hash and all(_is_ours(entry) for entry in entries)
    except FileNotFoundError as exc:
        raise DataRefusedError(f"{folder} has no {MANIFEST}, so it is no completely transformed data.", _AGAIN) from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DataRefusedError(f"{path} cannot be read as a data manifest.", _AGAIN) from exc
    if not sound:
        raise DataRefusedError(f"{path} is no data manifest of this release.", _AGAIN)
    return manifest


def is_transformed(folder: Path) -> bool:
    """Whether this program wrote the folder, in this release or another, completely or not."""
    try:
        with (folder / MANIFEST).open("rb") as stream:
            return _FORMATS.encode() in stream.read(100)
    except OSError:
        return (folder / UNFINISHED).is_file()


def read_entry(folder: Path, entry: Entry) -> bytes:
    """A file's content, refused if it is no longer what the manifest says."""
    path = folder / entry.path
    try:
        if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            raise DataRefusedError(f"{path} is a link, which transformed data never holds.", _AGAIN)
        content = path.read_bytes() if path.stat().st_size == entry.bytes else b""
    except OSError as exc:
        raise DataRefusedError(f"{path} cannot be read ({exc.strerror}).", _AGAIN) from exc
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise DataRefusedError(f"{path} is not what the data manifest says.", _AGAIN)
    return content


def _lines(items: Iterable[Entry | Refused]) -> str:
    return ",".join(f"\n  {json.dumps(asdict(item))}" for item in items)


def _is_ours(entry: Entry) -> bool:
    """Whether it names a file within the folder, of the kinds that are written there."""
    if not all(isinstance(value, str) for value in (entry.path, entry.sha256, entry.part, entry.source)):
        return False
    parts = entry.path.split("/")
    plain = all(part not in ("", ".", "..") and part.isprintable() for part in parts) and "\\" not in entry.path
    known = parts[0] in FOLDERS and len(parts) == (3 if entry.is_picture else 2)
    limit = MAX_PICTURE_BYTES if entry.is_picture else MAX_BYTES
    return plain and known and type(entry.bytes) is int and 0 <= entry.bytes <= limit
