"""Makes a baseline: from pictures and a model, or from a window's captures that were judged good.

Measurements come from all vehicles of the pictures. What the model says comes only from those that it never learnt
from: of its own training data, from the part that was held out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from monitoring.drift import embedding as embeddings
from monitoring.drift.baseline import CONFIDENCE, Baseline, compose
from monitoring.drift.calibrated import PLAIN
from monitoring.drift.calibration import calibrate, rows_of
from monitoring.drift.decision import distinct
from monitoring.errors import BaselineError
from monitoring.estimate import rows_confidence
from monitoring.measure import MEASURES, Numbers
from monitoring.summary import Summary
from training.artefact import Model
from training.data.extract import extract
from training.data.pictures import LabelledImages, Pixels, evenly, stacked
from training.data.split import HeldOutDiffersError, parts_of_model
from training.data.threads import THREADS, Listener, in_threads
from training.evaluation.degrade import degraded
from training.session import BATCH, FEATURES_NAME, Features, gives_features, run_output
from vehiclevision.labels import LABELS

# Fewer find only changes that anybody would see.
MIN_PICTURES: Final = 100
# The share of vehicles that a model's answers are calibrated for, where its manifest does not say.
VEHICLE_SHARE: Final = 0.5


# What happens to photos in use (training/evaluation/degrade.py). A crop or a mirror image is no worse picture, and
# nothing that is measured would tell it from a plain one.
TRIED: Final = (
    "dark",
    "night",
    "glare",
    "haze",
    "blur",
    "noise",
    "jpeg",
    "64 pixels",
    "rotation",
    "small object",
)


@dataclass(frozen=True)
class Most:
    """How many pictures are looked at: of those that the model knows and of others each, and of vehicles made worse.

    With these the model is asked about at most 12,000 pictures: some two or three minutes on two cores.
    """

    pictures: int = 1200
    judged: int = 300


def from_pictures(
    source: Path,
    model: Model,
    listener: Listener,
    *,
    neither: float = 0.0,
    reading: Listener = lambda done, total: None,
    most: Most = Most(),
) -> Baseline:
    """The baseline of a folder per class or of CIFAR-100: of its vehicles, and this share of pictures with neither.

    Of very many pictures an even part is taken, so that the model is asked about no more than some thousands.
    """
    if not 0 <= neither < 1:
        raise BaselineError(f"The share of pictures without any vehicle is {neither}.", "Give one from 0 up to 1.")
    learnt, unseen = _parts(extract(source, listener=reading), model)
    traffic, known = (_traffic(images, neither, most.pictures) for images in (unseen, learnt))
    if len(traffic) < MIN_PICTURES:
        raise BaselineError(
            f"Only {len(traffic)} of the pictures are vehicles that the model never learnt from; "
            f"a baseline takes {MIN_PICTURES}.",
            "Give more pictures, or make it from captured data: --from s3://…",
        )
    judged = _judged(unseen, most.judged)
    asked = _Asked(listener, 2 * len(traffic) + 2 * len(known) + (1 + len(TRIED)) * len(judged))
    rows, known_rows = (rows_of(asked.batches(images), model.predict) for images in (traffic, known))
    columns: dict[str, Numbers] = {name: np.concatenate([rows[name], known_rows[name]]) for name in MEASURES}
    columns[CONFIDENCE] = rows_confidence(rows)
    embedding, distances = _embedded(model, known, traffic, asked)
    if embedding is not None:
        columns[embeddings.NAME] = distances
    worse = {name: asked.worse(judged, name) for name in TRIED}
    calibration = calibrate(
        {name: rows_of(batches, model.predict) for name, batches in {PLAIN: asked.batches(judged), **worse}.items()},
        np.minimum(judged.classes, len(LABELS)),
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
        calibration=calibration,
        embedding=embedding,
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
    try:
        parts = parts_of_model(images, model.manifest.fields)
    except HeldOutDiffersError as error:
        raise BaselineError(
            "The model was trained by a release that held out other pictures, so it has seen some of these.",
            "Train it again with this release, or give pictures that it never saw.",
        ) from error
    if parts is None:
        return images.part(np.array([], dtype=np.int64)), images
    return images.part(parts.train), images.part(parts.validation)


def _traffic(images: LabelledImages, neither: float, most: int) -> LabelledImages:
    """The vehicles, and so many others that they make up the given share; an even part where these are very many."""
    vehicles = np.flatnonzero(images.classes < len(LABELS))
    others = np.flatnonzero(images.classes >= len(LABELS))
    vehicles = evenly(vehicles, round(most * (1 - neither)))
    others_count = round(len(vehicles) * neither / (1 - neither))
    if others_count > len(others):
        raise BaselineError(
            f"There are {len(others):,} pictures without any vehicle, and that share takes {others_count:,}.",
            "Ask for a smaller share.",
        )
    return images.part(np.concatenate([vehicles, evenly(others, others_count)]))


def _judged(images: LabelledImages, most: int) -> LabelledImages:
    """Vehicles, and as many others: worse copies of more cost time and say no more."""
    vehicles = np.flatnonzero(images.classes < len(LABELS))
    others = np.flatnonzero(images.classes >= len(LABELS))
    vehicles = evenly(vehicles, most)
    return images.part(np.concatenate([vehicles, evenly(others, len(vehicles))]))


def _embedded(
    model: Model, known: LabelledImages, traffic: LabelledImages, asked: "_Asked"
) -> tuple[embeddings.Embedding | None, Numbers]:
    """Where the known pictures lie among the network's features, and how far from them the traffic lies.

    Without known ones the traffic is halved: what an embedding was fitted to lies nearer than whatever comes later.
    """
    if not gives_features(model.session):
        return None, np.empty(0)
    measured = _features(model, traffic, asked)
    fitted = _features(model, known, asked) if len(known) else measured[::2]
    embedding = embeddings.fit(fitted)
    if embedding is None:
        return None, np.empty(0)
    return embedding, embedding.distances(measured if len(known) else measured[1::2])


def _features(model: Model, images: LabelledImages, asked: "_Asked") -> Features:
    parts = in_threads(partial(run_output, model.session, FEATURES_NAME), asked.batches(images), THREADS)
    return np.concatenate(list(parts))


class _Asked:
    """Pictures on their way to the model, a few at a time, while somebody is told how far it is."""

    def __init__(self, listener: Listener, total: int) -> None:
        self._listener, self._total, self._done = listener, total, 0

    def batches(self, images: LabelledImages) -> Iterator[Pixels]:
        """The pictures as they are."""
        for batch in images.batches(BATCH):
            yield self._counted(batch)

    def worse(self, images: LabelledImages, name: str) -> Iterator[Pixels]:
        """The pictures made worse in one way."""
        files = in_threads(partial(degraded, name), images.files, THREADS)
        while batch := list(islice(files, BATCH)):
            yield self._counted(stacked(batch))

    def _counted(self, batch: Pixels) -> Pixels:
        self._done += len(batch)
        self._listener(min(self._done, self._total), self._total)
        return batch


def _vehicle_share(model: Model) -> float:
    match model.manifest.fields.get("calibration"):
        case {"vehicle_share": float(share)} if 0 < share < 1:
            return share
    return VEHICLE_SHARE


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
