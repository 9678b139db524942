"""What the pictures and answers were like while all was well: numbers in one JSON file, read as strictly as any input.

No picture is in it. Every column has a length of its own: image measurements may come from pictures that the model
learnt from, confidences may not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt

from monitoring.drift.calibrated import ALL, FEATURES, MEASURED, PASSED, PLAIN, Calibration, Kind
from monitoring.drift.embedding import MAX_FEATURES, Embedding
from monitoring.errors import BaselineError
from monitoring.measure import Numbers
from vehiclevision.labels import LABELS, NEITHER, REVIEW

FORMAT: Final = 2
# Its pictures were measured as a model of 32 x 32 pixels took them, and its embedding is that of such a model.
EARLIER_FORMAT: Final = 1
MAX_BYTES: Final = 1_000_000
MAX_VALUES: Final = 4000
MAX_COLUMNS: Final = 20
MAX_TEXT: Final = 300
MAX_KINDS: Final = 20
# Nothing that is measured here comes near it, and its square is still a finite number.
MAX_MAGNITUDE: Final = 1e9
SIGNIFICANT_DIGITS: Final = 5

CONFIDENCE: Final = "confidence"
# What an answer comes to. `review` and `neither` both go to a person; with `neither`, no label is even likely.
MIX: Final = (*LABELS, REVIEW, NEITHER)
LIKELY: Final = 0.5
_MAKE: Final = "Make one with: vehiclevision baseline"


@dataclass(frozen=True)
class Baseline:
    """What checks compare with; `calibration` and `embedding` are there if they could be made."""

    columns: Mapping[str, Numbers]
    mix: Mapping[str, int]
    threshold: float
    model_version: str
    made_from: str
    made_at: str
    calibration: Calibration | None = None
    embedding: Embedding | None = None

    def as_json(self) -> str:
        """The file's text, the same for the same baseline."""
        fields: dict[str, Any] = {
            "format": FORMAT,
            "model_version": self.model_version,
            "threshold": self.threshold,
            "made_from": self.made_from,
            "made_at": self.made_at,
            "mix": {name: int(self.mix.get(name, 0)) for name in MIX},
            "calibration": {} if self.calibration is None else self.calibration.as_json(),
            "embedding": None if self.embedding is None else self.embedding.as_json(),
            "columns": {name: values.tolist() for name, values in self.columns.items()},
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Write the file; one that `load` would refuse is not written."""
        text = self.as_json().encode()
        parse(text)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def compose(
    columns: Mapping[str, npt.ArrayLike],
    answers: Mapping[str, npt.ArrayLike],
    *,
    threshold: float,
    model_version: str,
    made_from: str,
    made_at: str,
    calibration: Calibration | None = None,
    embedding: Embedding | None = None,
) -> Baseline:
    """A baseline of measured columns and answers; what is too much for the file is left out by a fixed draw."""
    kept = {}
    for name, values in columns.items():
        finite = usable(values)
        if len(finite):
            kept[name] = _drawn(finite)
    verdicts = mix_of(answers, threshold)
    return Baseline(kept, verdicts, threshold, model_version, made_from, made_at, calibration, embedding)


def usable(values: npt.ArrayLike) -> Numbers:
    """What can be compared: finite, of a size that a baseline takes, and rounded as the file rounds."""
    plain = np.asarray(values, dtype=np.float64).ravel()
    plain = plain[np.isfinite(plain)]
    return rounded(plain[np.abs(plain) <= MAX_MAGNITUDE])


def mix_of(answers: Mapping[str, npt.ArrayLike], threshold: float) -> dict[str, int]:
    """How many answers came to what, of a column for each label; a missing answer is not counted."""
    columns = [np.asarray(answers.get(label, ()), dtype=np.float64).ravel() for label in LABELS]
    if len({len(column) for column in columns}) > 1 or not len(columns[0]):
        return dict.fromkeys(MIX, 0)
    table = np.stack(columns, axis=1)
    table = table[np.isfinite(table).all(axis=1)]
    surest = table.max(axis=1, initial=0.0)
    verdict = table.argmax(axis=1)
    verdict[surest < threshold] = MIX.index(REVIEW)
    verdict[surest < min(threshold, LIKELY)] = MIX.index(NEITHER)
    return dict(zip(MIX, np.bincount(verdict, minlength=len(MIX)).tolist(), strict=True))


def load(source: Path | bytes) -> Baseline:
    """Read a baseline from a file or its bytes; whatever is not exactly one raises BaselineError."""
    if isinstance(source, bytes):
        return parse(source)
    try:
        with source.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BaselineError(f"The baseline {source} cannot be read: {error.strerror}.", _MAKE) from error
    return parse(data)


def parse(data: bytes) -> Baseline:
    """The baseline that these bytes hold."""
    if len(data) > MAX_BYTES:
        raise _refused(f"it is larger than {MAX_BYTES:,} bytes")
    try:
        fields = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _refused("it is no JSON") from error
    if not isinstance(fields, dict) or isinstance(fields.get("format"), bool):
        raise _refused(f"it is no baseline of format {FORMAT}")
    if fields.get("format") == EARLIER_FORMAT:
        raise BaselineError(
            "The baseline was made by an earlier release, whose model looked at 32 x 32 pixels of a photo.",
            "Make a new one with: vehiclevision baseline",
        )
    if fields.get("format") != FORMAT:
        raise _refused(f"it is no baseline of format {FORMAT}")
    columns = fields.get("columns")
    if not isinstance(columns, dict) or not columns or len(columns) > MAX_COLUMNS:
        raise _refused(f"it has no columns, or more than {MAX_COLUMNS}")
    calibration, embedding = fields.get("calibration"), fields.get("embedding")
    return Baseline(
        columns={_text(name, "a column's name"): numbers(values, name) for name, values in columns.items()},
        mix=_mix(fields.get("mix")),
        threshold=_threshold(fields.get("threshold")),
        model_version=_text(fields.get("model_version"), "model_version"),
        made_from=_text(fields.get("made_from"), "made_from"),
        made_at=_text(fields.get("made_at"), "made_at"),
        calibration=_calibration(calibration) if calibration else None,
        embedding=None if embedding is None else _embedding(embedding),
    )


def numbers(values: object, name: str, most: int = MAX_VALUES) -> Numbers:
    """A list of finite numbers, or BaselineError."""
    if not isinstance(values, list) or not 1 <= len(values) <= most or not all(map(is_number, values)):
        raise _refused(f"{name[:40]!r} is no list of 1 to {most} finite numbers")
    return np.array(values, dtype=np.float64)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether JSON gave a number that can be reckoned with."""
    # NaN is not below anything, and a whole number may be too long to become a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_MAGNITUDE


def rounded(values: npt.ArrayLike) -> Numbers:
    """Numbers as the file holds them; what is compared with them is rounded alike, or equal values would differ."""
    plain = np.asarray(values, dtype=np.float64)
    size = np.floor(np.log10(np.maximum(np.abs(plain), np.finfo(np.float64).tiny)))
    # Python writes 0.1235 for the nearest number to it: dividing by a power of ten gives just that one.
    steps = np.clip(SIGNIFICANT_DIGITS - 1 - size, -300, 300)
    up, down = 10.0 ** np.maximum(steps, 0), 10.0 ** np.maximum(-steps, 0)
    nearest: Numbers = np.where(steps >= 0, np.round(plain * up) / up, np.round(plain / down) * down)
    return np.where(np.abs(plain) < 1e-12, 0.0, nearest)


def _drawn(values: Numbers) -> Numbers:
    if len(values) <= MAX_VALUES:
        return values
    drawn: Numbers = values[np.sort(np.random.default_rng(0).choice(len(values), MAX_VALUES, replace=False))]
    return drawn


def _mix(counts: object) -> dict[str, int]:
    if not isinstance(counts, dict):
        raise _refused("its mix is no object")
    if set(counts) != set(MIX):
        others = ", ".join(str(name)[:40] for name in counts if name not in (REVIEW, NEITHER))
        raise _refused(f"it is of a model for {others[:200] or 'nothing'}, not for {', '.join(LABELS)}")
    for count in counts.values():
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_MAGNITUDE:
            raise _refused("its mix has something that is no count")
    return {name: counts[name] for name in MIX}


def _threshold(value: object) -> float:
    if not is_number(value) or not 0 <= value <= 1:
        raise _refused("its threshold is no number from 0 to 1")
    return float(value)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise _refused(f"{name} is no short plain text")
    return value


def _calibration(fields: object) -> Calibration:
    if not isinstance(fields, dict) or fields.get("features") != list(FEATURES):
        raise _refused("its calibration is no calibration")
    kinds, share, count = fields.get("kinds"), fields.get("vehicle_share"), len(FEATURES)
    if not isinstance(kinds, dict) or PLAIN not in kinds or len(kinds) > MAX_KINDS:
        raise _refused(f"its calibration tells of no changes, or of more than {MAX_KINDS}")
    if not is_number(share) or not 0 < share < 1:
        raise _refused("its calibration has no share of vehicles")
    spread = _row(fields, "spread", len(MEASURED))
    if spread.min() <= 0:
        raise _refused("its calibration has a spread of nothing")
    return Calibration(
        coefficients=_row(fields, "coefficients", count),
        covariance=_row(fields, "covariance", count * count).reshape(count, count),
        vehicle_share=float(share),
        mean=_row(fields, "mean", len(MEASURED)),
        spread=spread,
        kinds={str(name)[:40]: _kind(kind) for name, kind in kinds.items()},
        systematic=_errors(fields.get("systematic")),
    )


def _row(fields: Mapping[str, Any], name: str, length: int) -> Numbers:
    row = numbers(fields.get(name), f"calibration.{name}")
    if len(row) != length:
        raise _refused(f"calibration.{name} has another length than {length}")
    return row


def _kind(fields: object) -> Kind:
    if not isinstance(fields, dict):
        raise _refused("a change in its calibration is no object")
    return Kind(_row(fields, "shift", len(MEASURED)), _errors(fields.get("errors")))


def _errors(fields: object) -> dict[str, float]:
    if not isinstance(fields, dict) or not all(is_number(fields.get(of)) for of in (ALL, PASSED)):
        raise _refused("its calibration does not say how far off it was")
    return {of: float(fields[of]) for of in (ALL, PASSED)}


def _embedding(fields: object) -> Embedding:
    if not isinstance(fields, dict):
        raise _refused("its embedding is no object")
    mean = numbers(fields.get("mean"), "embedding.mean", most=MAX_FEATURES)
    basis = numbers(fields.get("basis"), "embedding.basis", most=MAX_BYTES)
    left_over = fields.get("left_over")
    if len(basis) % len(mean) or not is_number(left_over) or left_over <= 0:
        raise _refused("its embedding does not fit together")
    rows = basis.reshape(-1, len(mean))
    if not np.linalg.norm(rows, axis=1).all():
        raise _refused("its embedding has a direction without a length")
    return Embedding(mean, rows, float(left_over))


def _no_number(text: str) -> float:
    raise ValueError(text)


def _refused(reason: str) -> BaselineError:
    return BaselineError(f"The baseline is refused: {reason}.", _MAKE)
