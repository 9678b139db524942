"""Pictures that a person has named: one JPEG each, in a folder per label, called after what is in them.

    reviewed/bicycle/{sha256}.jpg          put up for review: unsure ones, and a sample of the sure ones
    reviewed/motorcycle/{sha256}.asked.jpg somebody asked about this very picture, mostly because it was wrong

The JPEG is what the endpoint was sent, so a label finds its captured record by the hash alone. Pictures that somebody
asked about teach the model, but say nothing about how often it is wrong. Earlier releases sent and kept PNGs.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from monitoring.errors import SourceError
from vehiclevision.labels import TRUTHS
from vehiclevision.results import ADDRESS, bucket_and_key
from vehiclevision.storage import listed

PREFIX: Final = "reviewed/"
ASKED: Final = ".asked"
SUFFIX: Final = ".jpg"
SUFFIXES: Final = (SUFFIX, ".png")
# One sure answer in twenty is put up for review: 100 a day give a year's accuracy to within a point.
SURE_SHARE: Final = 0.05
# One in ten of those that passed only because a second opinion agreed.
SECONDED_SHARE: Final = 0.1
# One in five is held out for ever, by its hash: what decides between two models was never learnt from.
HELD_OUT_BELOW: Final = 51
_NAME: Final = re.compile(
    rf"(?:^|/)({'|'.join(TRUTHS)})/([0-9a-f]{{64}})({re.escape(ASKED)})?({'|'.join(map(re.escape, SUFFIXES))})$"
)


class Name(NamedTuple):
    """The parts of a reviewed picture's name."""

    label: str
    digest: str
    asked: bool
    suffix: str


@dataclass(frozen=True)
class Labels:
    """The label of each picture by its hash, and which of them were asked about."""

    by_digest: dict[str, str] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()

    @property
    def drawn(self) -> dict[str, str]:
        """Without those that somebody asked about: a fair sample of what it was drawn from."""
        return {digest: label for digest, label in self.by_digest.items() if digest not in self.asked}


def digest_of(file: bytes) -> str:
    """What a picture is called."""
    return hashlib.sha256(file).hexdigest()


def key_of(label: str, digest: str, *, asked: bool = False) -> str:
    """Where a reviewed picture lies in the bucket."""
    return f"{PREFIX}{label}/{digest}{ASKED if asked else ''}{SUFFIX}"


def parse(name: str) -> Name | None:
    """What a reviewed picture's name says; None if it is none."""
    parts = _NAME.search(name)
    return Name(parts[1], parts[2], bool(parts[3]), parts[4]) if parts else None


def held_out(digest: str) -> bool:
    """Whether the picture is kept for comparing models, and never learnt from."""
    return int(digest[:2], 16) < HELD_OUT_BELOW


def read(address: str, s3: Any = None) -> Labels:
    """The labels in a folder or under s3://bucket/prefix; files with other names are none."""
    names = _in_bucket(s3, *bucket_and_key(address)) if address.startswith(ADDRESS) else _in_folder(Path(address))
    labels: dict[str, str] = {}
    asked: set[str] = set()
    for name in sorted(names):
        if parts := parse(name):
            labels[parts.digest] = parts.label
            if parts.asked:
                asked.add(parts.digest)
    return Labels(labels, frozenset(asked))


def _in_folder(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise SourceError(
            f"There is no folder {folder}.", f"Give one with {', '.join(f'{label}/' for label in TRUTHS)} in it."
        )
    for label in TRUTHS:
        for path in (folder / label).glob("*"):
            yield f"{label}/{path.name}"


def _in_bucket(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    return (entry["Key"] for entry in listed(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix))
