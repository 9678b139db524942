"""All that the report says, as plain JSON; the page shows the same and nothing else.

Whatever has nothing to be a share of is None, never NaN. Every line of every file counts once: read or unreadable.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from monitoring.drift.baseline import Baseline
from monitoring.drift.decision import Decision
from monitoring.drift.embedding import NAME as EMBEDDING
from monitoring.estimate import Estimate
from monitoring.labels import Labels
from monitoring.measure import Numbers
from monitoring.report.looking import Looked
from monitoring.report.recorded import Recorded
from monitoring.report.standing import standing
from monitoring.summary import Example, Hour, Labelled, Sample, Summary
from training.evaluation.scores import wilson
from vehiclevision.labels import LABELS, REVIEW, TRUTHS

FORMAT: Final = 1
CONFIDENCE: Final = "confidence"
LOOKED: Final = " looked"
VERDICTS: Final = (*LABELS, REVIEW)
TITLES: Final = {
    "brightness": "Brightness",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "saturation": "Saturation",
    "warmth": "Warmth",
    "pixels": "Size",
    EMBEDDING: "Distance",
    CONFIDENCE: "Confidence",
}
HOURS_OF_DAY: Final = 24
# Odd numbers: the middle of a measurement that never varies is the middle of a column.
_MEASURE_BINS, _FEW_BINS = 29, 13
_MANY: Final = 200
# A baseline keeps five digits, so that much less than this is no difference.
_SAME: Final = 1e-3
# What the page shows though it passed: the surest of the least sure give no reason to look.
_AT_LEAST: Final = 8
# What a chart leaves out at either side: one strange picture must not press all others into one column.
_OUTERMOST: Final = 0.005
_LATENCY_BINS: Final = 24


@dataclass(frozen=True)
class Facts:
    """Where the figures come from, and the threshold that they are counted with."""

    source: str
    threshold: float
    threshold_from: str
    made_at: datetime
    endpoint: str | None = None
    variant: str | None = None
    asked_from: datetime | None = None
    asked_to: datetime | None = None


@dataclass(frozen=True)
class Compared:
    """The baseline and what came of it, or why there is no comparison; estimates of answers that pass and of all.

    `sample` is the summary's with whatever only a model can measure, where one was at hand; `oddest` are the pictures
    furthest from what it knows.
    """

    why: str = ""
    baseline: Baseline | None = None
    decision: Decision | None = None
    passed: Estimate | None = None
    everything: Estimate | None = None
    sample: Sample | None = None
    oddest: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Found:
    """Everything that a report is made of."""

    summary: Summary
    facts: Facts
    compared: Compared = field(default_factory=Compared)
    recorded: Recorded = field(default_factory=Recorded)
    labels: Labels = field(default_factory=Labels)
    looked: Looked = field(default_factory=Looked)


def report(found: Found) -> dict[str, Any]:
    """Figures first, then what they rest on, and how it stands."""
    summary, facts, total = found.summary, found.facts, found.summary.total
    figures: dict[str, Any] = {
        "format": FORMAT,
        "made_at": _iso(facts.made_at),
        "source": facts.source,
        "endpoint": facts.endpoint,
        "variant": facts.variant,
        "window": {
            "from": _iso(summary.first),
            "to": _iso(summary.last),
            "asked_from": _iso(facts.asked_from),
            "asked_to": _iso(facts.asked_to),
        },
        **_read(summary),
        "model_versions": dict((summary.model_versions or found.recorded.model_versions).most_common()),
        "model_versions_from": "records" if summary.model_versions or not found.recorded.model_versions else "results",
        "endpoints": dict(summary.endpoints.most_common()),
        "threshold": facts.threshold,
        "threshold_from": facts.threshold_from,
        "answers": total.answered,
        "passed": total.passed,
        **_share("coverage", total.passed, total.answered),
        **_share("review_share", total.review, total.answered),
        "mix": {name: total.by_label[name] for name in VERDICTS},
        "mean_confidence": _mean_confidence(total),
        "confidence": {label: summary.confidences[label].tolist() for label in LABELS},
        "hours": [{"hour": _iso(time), **_counts(hour)} for time, hour in sorted(summary.hours.items())],
        "hours_of_day": _hours_of_day(found),
        "latency": _latency(found.recorded),
        "latency_why": found.recorded.why,
        "baseline": _baseline(found.compared.baseline, facts.threshold),
        "drift": None if found.compared.decision is None else found.compared.decision.as_json(),
        "drift_why": found.compared.why,
        "sample": len(summary.sample),
        "measures": _measures(found),
        "labels": _labels(found),
        "accuracy": _accuracy(found),
        "pictures": {
            "mistakes": [_named(example, facts.threshold) for example in summary.mistakes],
            "least_sure": [_named(example, facts.threshold) for example in _least_sure(summary)],
            "oddest": [
                {**_named(example, facts.threshold), "distance": _rounded(example.value)}
                for example in found.compared.oddest
            ],
        },
        "looked_why": found.looked.why,
    }
    return {**figures, "standing": standing(figures)}


def pictures(found: Found, figures: Mapping[str, Any]) -> dict[str, list[bytes | None]]:
    """The JPEGs that belong to the figures' pictures; of each measurement that changed, the end it moved to.

    Under a name with LOOKED behind it are the same pictures with what the model looked at, or None.
    """
    summary, oddest = found.summary, found.compared.oddest
    shown: dict[str, list[bytes | None]] = {
        "mistakes": [example.picture for example in summary.mistakes],
        f"mistakes{LOOKED}": [found.looked.pictures.get(example.digest) for example in summary.mistakes],
        "least_sure": [example.picture for example in _least_sure(summary)],
        "oddest": [example.picture for example in oddest],
        f"oddest{LOOKED}": [found.looked.pictures.get(example.digest) for example in oddest],
    }
    for column in figures["measures"]:
        ends = summary.extremes.get(column["name"])
        if column["changed"] and ends is not None:
            shown[column["name"]] = [example.picture for example in (ends.high if column["shift"] > 0 else ends.low)]
    return shown


# ---- what was read -----------------------------------------------------------------------------------------------


def _read(summary: Summary) -> dict[str, Any]:
    return {
        "files": summary.files,
        "files_skipped": summary.files_skipped,
        "files_vanished": summary.files_vanished,
        "files_refused": summary.files_refused,
        "bytes": summary.bytes,
        "records_read": summary.records_read,
        "records_unreadable": summary.records_unreadable,
        "unreadable": dict(sorted(summary.unreadable.items())),
        "outside_window": summary.outside_window,
        "records": summary.records,
        "without_answer": summary.without_answer,
        "without_picture": summary.without_picture,
        "broken_pictures": summary.broken_pictures,
        "without_time": summary.without_time,
    }


def _counts(hour: Hour) -> dict[str, Any]:
    return {
        "n": hour.n,
        "answers": hour.answered,
        "passed": hour.passed,
        **{name: hour.by_label[name] for name in VERDICTS},
        "mean_confidence": _mean_confidence(hour),
    }


def _mean_confidence(hour: Hour) -> float | None:
    return _rounded(hour.confidence_sum / hour.answered) if hour.answered else None


def _hours_of_day(found: Found) -> list[dict[str, Any]]:
    """Each hour of the day over all days: how many pass, and of those with a label how many are right."""
    days = [Hour() for _ in range(HOURS_OF_DAY)]
    for time, hour in found.summary.hours.items():
        days[time.hour].add(hour)
    judged = [case for case in _counted(found) if _passes(case, found.facts.threshold) and case.at is not None]
    rows = []
    for number, hour in enumerate(days):
        own = [case for case in judged if case.at is not None and case.at.hour == number]
        rows.append(
            {
                "hour": number,
                **_counts(hour),
                **_share("coverage", hour.passed, hour.answered),
                "labelled": len(own),
                **_share("accuracy", sum(map(_right, own)), len(own)),
            }
        )
    return rows


# ---- whether it is right -----------------------------------------------------------------------------------------


def _labels(found: Found) -> dict[str, Any]:
    counted = list(_counted(found))
    return {
        "given": len(found.labels.by_digest),
        "asked": len(found.summary.labelled) - len(counted),
        "matched": len(found.summary.labelled),
        "by_label": {label: sum(case.label == label for case in counted) for label in TRUTHS},
    }


def _counted(found: Found) -> Iterable[Labelled]:
    """Labelled answers that are a fair sample: without those about which somebody asked."""
    return (case for case in found.summary.labelled if case.digest not in found.labels.asked)


def _passes(case: Labelled, threshold: float) -> bool:
    return case.answer.confidence >= threshold


def _right(case: Labelled) -> bool:
    """Whether the surest label is the person's; a tie is no label's."""
    return case.label == case.answer.label and not case.answer.is_tied


def _accuracy(found: Found) -> dict[str, Any]:
    """Estimated without labels, and by a person's labels, of answers that pass and of all."""
    counted = list(_counted(found))
    passing = [case for case in counted if _passes(case, found.facts.threshold)]
    reviewed = [case for case in counted if not _passes(case, found.facts.threshold)]
    passed_by_labels = _of_cases(passing)
    all_by_labels = _of_all(found.summary.total, passing, reviewed)
    no_labels = "there are no reviewed labels for these pictures"
    one_sided = "that takes labels of answers that pass and of answers that do not" if counted else no_labels
    return {
        "passed": {
            "estimated": _estimated(found.compared.passed),
            "reviewed": passed_by_labels,
            "reviewed_why": None if passed_by_labels else no_labels,
        },
        "all": {
            "estimated": _estimated(found.compared.everything),
            "reviewed": all_by_labels,
            "reviewed_why": None if all_by_labels else one_sided,
        },
        "estimated_why": None if found.compared.passed else _why_no_estimate(found),
    }


def _why_no_estimate(found: Found) -> str:
    if not found.summary.total.answered:
        return "there are no answers"
    return "it needs a baseline of the model" if found.compared.baseline is None else "the baseline cannot tell"


def _estimated(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "accuracy": _rounded(estimate.accuracy),
        "accuracy_low": _rounded(estimate.low),
        "accuracy_high": _rounded(estimate.high),
        "n": estimate.n,
        "holds": estimate.holds,
        "why": estimate.why,
    }


def _of_cases(cases: Sequence[Labelled]) -> dict[str, Any] | None:
    if not cases:
        return None
    right = sum(map(_right, cases))
    return {**_share("accuracy", right, len(cases)), "right": right, "n": len(cases)}


def _of_all(total: Hour, passing: Sequence[Labelled], reviewed: Sequence[Labelled]) -> dict[str, Any] | None:
    """Of all answers: each kind weighs as much as there is of it, because unsure answers are reviewed more often.

    The interval puts those of the two kinds together (Zou and Donner's MOVER).
    """
    kinds = [(count, _of_cases(cases)) for count, cases in ((total.passed, passing), (total.review, reviewed)) if count]
    known = [(count / total.answered, own) for count, own in kinds if own is not None]
    if not known or len(known) < len(kinds):
        return None
    middle = sum(weight * own["accuracy"] for weight, own in known)
    below = math.hypot(*(weight * (own["accuracy"] - own["accuracy_low"]) for weight, own in known))
    above = math.hypot(*(weight * (own["accuracy_high"] - own["accuracy"]) for weight, own in known))
    return {
        "accuracy": _rounded(middle),
        "accuracy_low": _rounded(max(0.0, middle - below)),
        "accuracy_high": _rounded(min(1.0, middle + above)),
        "right": sum(own["right"] for _, own in known),
        "n": sum(own["n"] for _, own in known),
    }


# ---- whether it changed ------------------------------------------------------------------------------------------


def _baseline(baseline: Baseline | None, threshold: float) -> dict[str, Any] | None:
    if baseline is None:
        return None
    return {
        "from": baseline.made_from,
        "made_at": baseline.made_at,
        "model_version": baseline.model_version,
        "threshold": baseline.threshold,
        # Counted with another threshold, it would not compare.
        "mix": _verdicts(baseline.mix) if baseline.threshold == threshold else None,
        "n": {name: len(values) for name, values in baseline.columns.items()},
    }


def _verdicts(mix: Mapping[str, int]) -> dict[str, int]:
    """Whatever is no label goes to a person."""
    labels = {label: mix[label] for label in LABELS}
    return {**labels, REVIEW: sum(mix.values()) - sum(labels.values())}


def _measures(found: Found) -> list[dict[str, Any]]:
    """Each measurement that there are values of: how they lie now and lay before, and what the check says."""
    sample, baseline = found.compared.sample or found.summary.sample, found.compared.baseline
    decision = found.compared.decision
    findings = {finding.name: finding for finding in decision.findings} if decision else {}
    columns = []
    for name in TITLES:
        now = _finite(sample.columns.get(name, np.empty(0)))
        if not len(now):
            continue
        before = _finite(baseline.columns[name]) if baseline and name in baseline.columns else np.empty(0)
        edges = _edges(name, now, before)
        finding = findings.get(name)
        columns.append(
            {
                "name": name,
                "title": TITLES[name],
                "n": len(now),
                "quartiles": [_rounded(edge) for edge in np.quantile(now, [0.25, 0.5, 0.75]).tolist()],
                "edges": [_rounded(edge, 6) for edge in edges.tolist()],
                "now": _shares(now, edges),
                "before": _shares(before, edges) if len(before) else None,
                "changed": None if finding is None else finding.changed,
                "shift": None if finding is None else _rounded(finding.shift),
                "mean": _rounded(float(now.mean())),
                "mean_before": _rounded(float(before.mean())) if len(before) else None,
                "words": None if finding is None else finding.words,
            }
        )
    return columns


def _finite(values: Numbers) -> Numbers:
    return values[np.isfinite(values)]


def _edges(name: str, now: Numbers, before: Numbers) -> Numbers:
    """The columns of a histogram that shows both, without the outermost; few values make wide ones."""
    bins = _MEASURE_BINS if len(now) >= _MANY else _FEW_BINS
    if name == CONFIDENCE:
        return np.linspace(0, 1, bins + 1)
    ends = [np.quantile(values, [_OUTERMOST, 1 - _OUTERMOST]) for values in (now, before) if len(values)]
    low, high = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    if high - low < _SAME:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def _shares(values: Numbers, edges: Numbers) -> list[float]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return [round(float(count) / len(values), 5) for count in counts]


# ---- how long it takes, and pictures ----------------------------------------------------------------------------


def _latency(found: Recorded) -> dict[str, Any] | None:
    whole = np.asarray(found.upload_to_record, dtype=np.float64)
    if not len(whole):
        return None
    edges = np.linspace(0, max(1.0, float(np.quantile(whole, 0.995))), _LATENCY_BINS + 1)
    counts, _ = np.histogram(np.clip(whole, edges[0], edges[-1]), edges)
    return {
        "upload_to_record": _points(found.upload_to_record),
        "start_to_record": _points(found.start_to_record),
        "histogram": {"edges": [_rounded(edge) for edge in edges.tolist()], "counts": counts.tolist()},
    }


def _points(seconds: Sequence[float]) -> dict[str, Any] | None:
    if not len(seconds):
        return None
    points = np.quantile(np.asarray(seconds, dtype=np.float64), [0.5, 0.95, 0.99]).tolist()
    return {"n": len(seconds), **dict(zip(("p50", "p95", "p99"), map(_rounded, points), strict=True))}


def _least_sure(summary: Summary) -> list[Example]:
    """Those that went to a person, and a few more where there are hardly any."""
    below = [example for example in summary.least_sure if example.value < summary.threshold]
    return list(summary.least_sure[: max(len(below), _AT_LEAST)])


def _named(example: Example, threshold: float) -> dict[str, Any]:
    answer = example.answer
    return {
        "digest": example.digest,
        "at": _iso(example.at),
        **{label: None if answer is None else _rounded(answer[label]) for label in LABELS},
        CONFIDENCE: None if answer is None else _rounded(answer.confidence),
        "passed": None if answer is None else answer.confidence >= threshold,
        "label": example.label,
    }


def _share(name: str, hits: int, n: int) -> dict[str, Any]:
    """A share under its name with the edges of its 95 % interval; None of nothing."""
    low, high = wilson(hits, n) if n else (None, None)
    return {name: _rounded(hits / n) if n else None, f"{name}_low": _rounded(low), f"{name}_high": _rounded(high)}


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
