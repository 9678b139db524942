"""Makes a baseline: from pictures and a model, or from a window's captures that were judged good.

Measurements come from all vehicles of the pictures. What the model says comes only from those that it never learnt
from: of its own training data, from the part that was held out.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from monitoring.drift import embedding as embeddings
from monitoring.drift.baseline import CONFIDENCE, Baseline, Numbers, compose
from monitoring.drift.calibration import calibrate, rows_of
from monitoring.drift.decision import distinct
from monitoring.errors import BaselineError
from monitoring.estimate import PLAIN
from monitoring.measure import MEASURES, measure_arrays
from monitoring.summary import Summary
from training.artefact import Model
from training.data.extract import extract
from training.data.pictures import LabelledImages
from training.data.split import split
from training.evaluation.samples import from_images
from training.session import gives_features, run_features
from vehiclevision.labels import LABELS

Listener = Callable[[int, int], None]
Indices = npt.NDArray[np.int64]

# Fewer find only changes that anybody would see.
MIN_PICTURES: Final = 100
# The share of vehicles that a model's answers are calibrated for, where its manifest does not say.
VEHICLE_SHARE: Final = 0.5


def from_pictures(source: Path, model: Model, listener: Listener, *, neither: float = 0.0) -> Baseline:
    """The baseline of a folder per class or of CIFAR-100: of its vehicles, and this share of pictures with neither."""
    images = extract(source)
    learnt, unseen = _parts(images, model)
    if not 0 <= neither < 1:
        raise BaselineError(f"The share of pictures with neither vehicle is {neither}.", "Give one from 0 up to 1.")
    traffic, known = _traffic(unseen, neither), _traffic(learnt, neither)
    if len(traffic) < MIN_PICTURES:
        raise BaselineError(
            f"Only {len(traffic)} of the pictures are vehicles that the model never learnt from; "
            f"a baseline takes {MIN_PICTURES}.",
            "Give more pictures, or make it from captured data: --from s3://…",
        )
    rows = rows_of(traffic.pixels, model.predict)
    measured = measure_arrays(np.concatenate([traffic.pixels, known.pixels]))
    columns: dict[str, Numbers] = {name: measured[name] for name in MEASURES}
    columns[CONFIDENCE] = np.maximum(rows[LABELS[0]], rows[LABELS[1]])
    where = _where(model, known if len(known) else traffic)
    if where is not None:
        columns[embeddings.NAME] = where.distances(run_features(model.session, traffic.pixels))
    judged = from_images(_evenly(unseen), "", listener, robustness=True)
    calibration = calibrate(
        {PLAIN: judged.pixels[judged.worse], **judged.degraded},
        judged.classes[judged.worse],
        model.predict,
        model.manifest.threshold,
        _vehicle_share(model),
    )
    total = len(traffic) + len(known)
    return compose(
        columns,
        {label: rows[label] for label in LABELS},
        threshold=model.manifest.threshold,
        model_version=model.manifest.version,
        made_from=f"{total:,} pictures; answers from {len(traffic):,} that the model never learnt from",
        made_at=_now(),
        calibration=None if calibration is None else calibration.as_json(),
        embedding=where,
    )


def from_captures(summary: Summary, before: Baseline | None) -> Baseline:
    """The baseline of a window; calibration and embedding are those of `before` if it is of the same model."""
    versions = sorted(summary.model_versions)
    if len(versions) > 1:
        raise BaselineError(
            f"The captures hold the answers of {len(versions)} models: {', '.join(versions)[:200]}.",
            "Take a window in which one model answered: --since and --until.",
        )
    kept = distinct(summary.sample)
    columns: dict[str, Numbers] = {name: kept[name] for name in (*MEASURES, CONFIDENCE) if name in kept}
    answers = int(np.isfinite(kept[CONFIDENCE]).sum())
    if answers < MIN_PICTURES:
        raise BaselineError(
            f"The captures hold {answers} answers to different pictures; a baseline takes {MIN_PICTURES}.",
            "Take a longer window, or wait for more traffic.",
        )
    version = versions[0] if versions else "unknown"
    same = before is not None and before.model_version == version and before.threshold == summary.threshold
    span = f" from {summary.first:%Y-%m-%d} to {summary.last:%Y-%m-%d}" if summary.first and summary.last else ""
    return compose(
        columns,
        {label: kept[label] for label in LABELS},
        threshold=summary.threshold,
        model_version=version,
        made_from=f"{answers:,} captured answers{span}",
        made_at=_now(),
        calibration=before.calibration if before is not None and same else None,
        embedding=before.embedding if before is not None and same else None,
    )


def _parts(images: LabelledImages, model: Model) -> tuple[LabelledImages, LabelledImages]:
    """What the model learnt from, and what it never saw: of its own data the held-out part, of others all."""
    if images.data_hash() != model.manifest.fields.get("data_hash"):
        return images.part(np.array([], dtype=np.int64)), images
    parts = split(images)
    held_out = images.part(parts.validation)
    match model.manifest.fields.get("metrics"):
        case {"validation": {"data_hash": str(expected)}} if expected != held_out.data_hash():
            raise BaselineError(
                "The model was trained by a release that held out other pictures, so it has seen some of these.",
                "Train it again with this release, or give pictures that it never saw.",
            )
    return images.part(parts.train), held_out


def _traffic(images: LabelledImages, neither: float) -> LabelledImages:
    """The vehicles, and so many others that they make up the given share."""
    vehicles = np.flatnonzero(images.classes < len(LABELS))
    others = np.flatnonzero(images.classes >= len(LABELS))
    wanted = round(len(vehicles) * neither / (1 - neither))
    if wanted > len(others):
        raise BaselineError(
            f"There are {len(others):,} pictures with neither vehicle, and that share takes {wanted:,}.",
            "Ask for a smaller share.",
        )
    return images.part(np.concatenate([vehicles, _some(others, wanted)]))


def _evenly(images: LabelledImages) -> LabelledImages:
    """All vehicles, and as many others: worse copies of more cost time and say no more."""
    vehicles = np.flatnonzero(images.classes < len(LABELS))
    others = np.flatnonzero(images.classes >= len(LABELS))
    return images.part(np.concatenate([vehicles, _some(others, min(len(vehicles), len(others)))]))


def _some(indices: Indices, count: int) -> Indices:
    found: Indices = indices[np.linspace(0, max(0, len(indices) - 1), count).round().astype(np.int64)]
    return found


def _where(model: Model, images: LabelledImages) -> embeddings.Embedding | None:
    """Where these pictures lie among the network's features, if it gives them."""
    if not len(images) or not gives_features(model.session):
        return None
    return embeddings.fit(run_features(model.session, images.pixels))


def _vehicle_share(model: Model) -> float:
    match model.manifest.fields.get("calibration"):
        case {"vehicle_share": float(share)} if 0 < share < 1:
            return share
    return VEHICLE_SHARE


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
