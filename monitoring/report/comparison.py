"""Which baseline the captured answers are held against, if any, and what comes of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from monitoring import estimate
from monitoring.drift.baseline import Baseline, load
from monitoring.drift.decision import check
from monitoring.drift.embedding import NAME as EMBEDDING
from monitoring.drift.embedding import with_distances
from monitoring.errors import BaselineError
from monitoring.report.report import Compared
from monitoring.summary import Example, Sample, Summary
from training.artefact import DEFAULT_MODEL, Model, load_model
from training.data.pictures import stacked
from training.session import BATCH, FEATURES_NAME, Features, gives_features, run_output
from vehiclevision.answer import Answer
from vehiclevision.labels import LABELS

# Of the model that this release comes with.
DEFAULT_BASELINE: Final = DEFAULT_MODEL.with_name("baseline.json")
# So many pictures furthest from what the model knows are shown.
ODDEST: Final = 8
MAKE: Final = "Make one of the captures of a good time with vehiclevision baseline, and name it with --baseline."


def compare(summary: Summary, chosen: Baseline | None, recorded: Mapping[str, int] | None = None) -> Compared:
    """Against the chosen baseline, or the shipped model's if that model answered.

    A baseline of another model's answers would raise false alarms, so none is better than that one. `recorded` says
    which models answered where the captured records do not.
    """
    versions = summary.model_versions or recorded or {}
    answered = sorted(versions, key=lambda name: -versions[name])
    if chosen is not None:
        others = [name for name in answered if name != chosen.model_version]
        note = f"The baseline is of model {chosen.model_version}, and not all answers are." if others else ""
        return _against(chosen, summary, note)
    if not summary.records:
        return Compared("Without records there is nothing to compare.")
    if not DEFAULT_BASELINE.is_file():
        return Compared(f"There is no baseline to compare with. {MAKE}")
    try:
        baseline = load(DEFAULT_BASELINE)
    except BaselineError as error:
        return Compared(f"{error.message} {MAKE}")
    if answered == [baseline.model_version]:
        return _against(baseline, summary, "")
    return Compared(
        f"The answers come from {_named(answered)}, and the baseline at hand is of {baseline.model_version}, the "
        f"shipped model: held against it they would raise false alarms. {MAKE}"
    )


def _named(answered: Sequence[str]) -> str:
    if not answered:
        return "a model that the records do not name"
    return f"model {answered[0]}" if len(answered) == 1 else f"{len(answered)} models, most from {answered[0]}"


def _against(baseline: Baseline, summary: Summary, note: str) -> Compared:
    sample = _with_distances(baseline, summary)
    decision = check(baseline, sample)
    # What passes is counted with the report's threshold, which may be another than the baseline's.
    estimates = estimate.estimate(replace(baseline, threshold=summary.threshold), summary.sample, decision)
    return Compared(note, baseline, decision, estimates.passed, estimates.everything, sample, oddest(summary, sample))


def oddest(summary: Summary, sample: Sample) -> tuple[Example, ...]:
    """The pictures that lie furthest from what the model knows, the furthest first; none where nothing measured it."""
    if EMBEDDING not in sample.columns:
        return ()
    distances = sample[EMBEDDING]
    labels = {case.digest: case.label for case in summary.labelled}
    examples: dict[str, Example] = {}
    for row in np.argsort(-distances, kind="stable")[: np.isfinite(distances).sum()].tolist():
        digest = sample.digest[row]
        if digest not in examples and digest in summary.pictures:
            examples[digest] = Example(
                summary.pictures[digest],
                _answer(sample, row),
                _at(sample, row),
                digest,
                labels.get(digest),
                float(distances[row]),
            )
        if len(examples) == ODDEST:
            break
    return tuple(examples.values())


def _answer(sample: Sample, row: int) -> Answer | None:
    confidences = tuple(float(sample[label][row]) for label in LABELS)
    return None if any(map(math.isnan, confidences)) else Answer(confidences)


def _at(sample: Sample, row: int) -> datetime | None:
    seconds = float(sample["at"][row])
    return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)


def _with_distances(baseline: Baseline, summary: Summary) -> Sample:
    """The sample, and how far its pictures lie from those that the model knows, where the model at hand can tell."""
    if baseline.embedding is None or not DEFAULT_MODEL.is_file():
        return summary.sample
    model = load_model(DEFAULT_MODEL)
    if model.manifest.version != baseline.model_version or not gives_features(model.session):
        return summary.sample
    return with_distances(summary.sample, summary.pictures, baseline.embedding, lambda files: _features(model, files))


def _features(model: Model, files: Sequence[bytes]) -> Features:
    """A few at a time: decoded, they would fill the memory."""
    starts = range(0, len(files), BATCH)
    return np.concatenate(
        [run_output(model.session, FEATURES_NAME, stacked(files[start : start + BATCH])) for start in starts]
    )
