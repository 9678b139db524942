"""The version that answers beside the one before: what was measured of each, and both on the same pictures.

The pictures are those that people have decided last, so that what they show is known. A version that was retrained may
have learnt from some of them: those that no training ever learns from are counted apart. Both models run here, on the
very files that the endpoint was sent.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from console.deployed import Deployed
from console.errors import ConsoleError
from console.ledger import Ledger, identity_of
from console.pictures import Pictures, View
from console.served import Served, aws_of
from lifecycle import runs
from lifecycle.images import OWN
from lifecycle.registry import Version
from lifecycle.site import Aws
from monitoring import labels
from training.artefact import Model, load_model
from training.errors import ModelRefusedError
from training.evaluation import by_model
from training.evaluation.scores import Flags, Judged, Numbers, Shares, judge, shares
from vehiclevision.errors import InvalidImageError, StorageRefusedError, StorageUnavailableError
from vehiclevision.labels import LABELS, TRUTHS
from vehiclevision.record import Record

MOST_PICTURES: Final = 100
MOST_DIFFERENCES: Final = 12
UNSURE: Final = "not sure"


@dataclass(frozen=True)
class Side:
    """One version's answers to the pictures that both were shown."""

    version: Version
    threshold: float
    # Of all pictures, and of those that are never learnt from.
    shares: Shares
    unlearnt: Shares


@dataclass(frozen=True)
class Difference:
    """A picture of which the two say different things."""

    record: Record
    now: str
    before: str


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same pictures."""

    now: Side
    before: Side
    pictures: int
    unlearnt: int
    differences: Sequence[Difference]
    # Of all pictures; more than are shown, perhaps.
    different: int


def compare(deployed: Deployed, ledger: Ledger, pictures: Pictures, served: Served) -> Comparison:
    """Both on the newest pictures that people have decided; ConsoleError where there are none, or no model can run."""
    now, before = served.now, served.before
    if now is None or before is None:
        raise ConsoleError(served.why, "Two approved versions can be compared, one of which answers.")
    aws = aws_of(deployed)
    models = model_of(aws, now), model_of(aws, before)
    records, files = _decided(ledger.newest_first(), pictures)
    if not records:
        raise ConsoleError(
            "Nobody has decided a photo yet.", "Decide some under Review: they are what both are held to."
        )
    truths = np.array([TRUTHS.index(record.reviewed_label or "") for record in records])
    unlearnt = np.array([labels.held_out(labels.digest_of(file)) for file in files])
    answers = [by_model.answers(model, files) for model in models]
    sides = [
        _side(version, model.manifest.threshold, judge(answer, truths), unlearnt)
        for version, model, answer in zip((now, before), models, answers, strict=True)
    ]
    said = [_said(answer, model.manifest.threshold) for answer, model in zip(answers, models, strict=True)]
    differing = [Difference(*each) for each in zip(records, *said, strict=True) if each[1] != each[2]]
    return Comparison(
        sides[0], sides[1], len(records), int(unlearnt.sum()), differing[:MOST_DIFFERENCES], len(differing)
    )


def _side(version: Version, threshold: float, judged: Judged, unlearnt: Flags) -> Side:
    return Side(version, threshold, shares(judged, threshold), shares(judged.part(unlearnt), threshold))


def model_of(aws: Aws, version: Version) -> Model:
    """A version's model, the very one that was registered."""
    if version.algorithm != OWN:
        raise ConsoleError(
            f"Version {version.number} was trained by {version.algorithm}, and only its own container can run it.",
            "Compare the figures above.",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tar.gz"
        runs.download(aws, version.model_url, path)
        if hashlib.sha256(path.read_bytes()).hexdigest() != version.model_sha256:
            raise ConsoleError(f"The model of version {version.number} is not the one that was registered.", "")
        try:
            return load_model(path)
        except ModelRefusedError as error:
            raise ConsoleError(f"Version {version.number} cannot be run here: {error.message}", error.hint) from error


def _decided(newest: Iterable[Record], pictures: Pictures) -> tuple[list[Record], list[bytes]]:
    """The newest records that a person has decided and whose photos can still be read, with what a model is sent."""
    records, files = [], []
    for record in islice((each for each in newest if each.reviewed_label in TRUTHS), MOST_PICTURES):
        try:
            files.append(pictures.jpeg(identity_of(record), View.MODEL))
        except (InvalidImageError, StorageRefusedError, StorageUnavailableError):
            continue
        records.append(record)
    return records, files


def _said(answers: Numbers, threshold: float) -> list[str]:
    """What each answer comes to: a label, or that the model is not sure."""
    return [LABELS[int(row.argmax())] if float(row.max()) >= threshold else UNSURE for row in answers]
