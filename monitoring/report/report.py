"""All that the report says; the page shows the same and nothing else."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from monitoring.drift.baseline import Baseline
from monitoring.drift.decision import Decision
from monitoring.drift.embedding import NAME as EMBEDDING
from monitoring.estimate import Estimate
from monitoring.labels import Labels
from monitoring.measure import Numbers
from monitoring.report.figures import (
    Accuracy,
    BaselineFacts,
    EstimatedAccuracy,
    Histogram,
    HourCounts,
    HourOfDay,
    Judged,
    LabelCounts,
    Latency,
    Measure,
    OddPicture,
    PictureFacts,
    PicturesShown,
    Report,
    ReportWindow,
    ReviewedAccuracy,
    Seconds,
)
from monitoring.report.looking import Looked
from monitoring.report.recorded import Recorded
from monitoring.report.standing import standing
from monitoring.summary import Example, Hour, Labelled, Read, Sample, Summary
from training.evaluation.plain import Share, plain
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
class Gathered:
    """Everything that a report is made of."""

    summary: Summary
    facts: Facts
    compared: Compared = field(default_factory=Compared)
    recorded: Recorded = field(default_factory=Recorded)
    labels: Labels = field(default_factory=Labels)
    looked: Looked = field(default_factory=Looked)


def report(gathered: Gathered) -> Report:
    """Everything that the page shows."""
    summary, facts, total = gathered.summary, gathered.facts, gathered.summary.total
    versions = summary.model_versions or gathered.recorded.model_versions
    return Report(
        format=FORMAT,
        made_at=_iso(facts.made_at) or "",
        source=facts.source,
        endpoint=facts.endpoint,
        variant=facts.variant,
        window=ReportWindow(*map(_iso, (summary.first, summary.last, facts.asked_from, facts.asked_to))),
        read=_read(summary),
        model_versions=dict(versions.most_common()),
        model_versions_from="results" if versions and not summary.model_versions else "records",
        endpoints=dict(summary.endpoints.most_common()),
        threshold=facts.threshold,
        threshold_from=facts.threshold_from,
        answers=total.answered,
        passed=total.passed,
        coverage=_of_all_answers(summary, total.passed),
        review_share=_of_all_answers(summary, total.review),
        mix={name: total.by_label[name] for name in VERDICTS},
        mean_confidence=_mean_confidence(total),
        confidence={label: summary.confidences[label].tolist() for label in LABELS},
        hours=[HourCounts(**_counts(hour), hour=_iso(time) or "") for time, hour in sorted(summary.hours.items())],
        hours_of_day=_hours_of_day(gathered),
        latency=_latency(gathered.recorded),
        latency_why=gathered.recorded.why,
        refused=None if gathered.recorded.refused is None else dict(gathered.recorded.refused.most_common()),
        baseline=_baseline(gathered.compared.baseline, facts.threshold),
        drift=gathered.compared.decision,
        drift_why=gathered.compared.why,
        sample=len(summary.sample),
        measures=_measures(gathered),
        labels=_labels(gathered),
        accuracy=_accuracy(gathered),
        pictures=PicturesShown(
            mistakes=[PictureFacts(**_named(example, facts.threshold)) for example in summary.mistakes],
            least_sure=[PictureFacts(**_named(example, facts.threshold)) for example in _least_sure(summary)],
            oddest=[
                OddPicture(**_named(example, facts.threshold), distance=round(example.value, 4))
                for example in gathered.compared.oddest
            ],
        ),
        looked_why=gathered.looked.why,
    )


def report_json(figures: Report) -> dict[str, Any]:
    """The figures, and how it stands, as the report's JSON has them."""
    return {**plain(figures), "standing": plain(standing(figures))}


def pictures(gathered: Gathered, figures: Report) -> dict[str, list[bytes | None]]:
    """The JPEGs that belong to the figures' pictures; of each measurement that changed, the end it moved to.

    Under a name with LOOKED behind it are the same pictures with what the model looked at, or None.
    """
    summary, oddest, looked = gathered.summary, gathered.compared.oddest, gathered.looked.pictures
    shown: dict[str, list[bytes | None]] = {
        "mistakes": [example.picture for example in summary.mistakes],
        f"mistakes{LOOKED}": [looked.get(example.digest) for example in summary.mistakes],
        "least_sure": [example.picture for example in _least_sure(summary)],
        "oddest": [example.picture for example in oddest],
        f"oddest{LOOKED}": [looked.get(example.digest) for example in oddest],
    }
    for column in figures.measures:
        ends = summary.extremes.get(column.name)
        if column.changed and ends is not None:
            shown[column.name] = [each.picture for each in (ends.high if (column.shift or 0) > 0 else ends.low)]
    return shown


# ---- what was read -----------------------------------------------------------------------------------------------


def _read(summary: Summary) -> Read:
    read = Read(**{field.name: getattr(summary, field.name) for field in fields(Read)})
    return replace(read, unreadable=Counter(dict(sorted(summary.unreadable.items()))))


def _counts(hour: Hour) -> dict[str, Any]:
    """The fields of Counts."""
    return {
        "n": hour.n,
        "answers": hour.answered,
        "passed": hour.passed,
        "by_verdict": {name: hour.by_label[name] for name in VERDICTS},
        "mean_confidence": _mean_confidence(hour),
    }


def _mean_confidence(hour: Hour) -> float | None:
    return _rounded(hour.confidence_sum / hour.answered) if hour.answered else None


def _hours_of_day(gathered: Gathered) -> list[HourOfDay]:
    days = [Hour() for _ in range(HOURS_OF_DAY)]
    for time, hour in gathered.summary.hours.items():
        days[time.hour].add(hour)
    judged: list[list[bool]] = [[] for _ in days]
    for case in _counted(gathered):
        if case.at is not None and _passes(case, gathered.facts.threshold):
            judged[case.at.hour].append(_right(case))
    return [
        HourOfDay(
            **_counts(hour),
            hour=number,
            coverage=_share(hour.passed, hour.answered),
            labelled=len(judged[number]),
            accuracy=_share(sum(judged[number]), len(judged[number])),
        )
        for number, hour in enumerate(days)
    ]


# ---- whether it is right -----------------------------------------------------------------------------------------


def _labels(gathered: Gathered) -> LabelCounts:
    counted, matched = list(_counted(gathered)), len(gathered.summary.labelled)
    by_label = {label: sum(case.label == label for case in counted) for label in TRUTHS}
    return LabelCounts(len(gathered.labels.by_digest), matched - len(counted), matched, by_label)


def _counted(gathered: Gathered) -> Iterable[Labelled]:
    """Labelled answers that are a fair sample: without those about which somebody asked."""
    return (case for case in gathered.summary.labelled if case.digest not in gathered.labels.asked)


def _passes(case: Labelled, threshold: float) -> bool:
    return case.answer.confidence >= threshold


def _right(case: Labelled) -> bool:
    """Whether the surest label is the person's; a tie is no label's."""
    return case.label == case.answer.label and not case.answer.is_tied


def _accuracy(gathered: Gathered) -> Accuracy:
    """Estimated without labels, and by a person's labels, of answers that pass and of all."""
    counted, compared = list(_counted(gathered)), gathered.compared
    passing = [case for case in counted if _passes(case, gathered.facts.threshold)]
    reviewed = [case for case in counted if not _passes(case, gathered.facts.threshold)]
    by_labels, all_by_labels = _of_cases(passing), _of_all(gathered.summary.total, passing, reviewed)
    no_labels = "there are no reviewed labels for these pictures"
    one_sided = "that takes labels of answers that pass and of answers that do not" if counted else no_labels
    return Accuracy(
        passed=Judged(_estimated(compared.passed), by_labels, None if by_labels else no_labels),
        all=Judged(_estimated(compared.everything), all_by_labels, None if all_by_labels else one_sided),
        estimated_why=None if compared.passed else _why_no_estimate(gathered),
    )


def _why_no_estimate(gathered: Gathered) -> str:
    if not gathered.summary.total.answered:
        return "there are no answers"
    return "it needs a baseline of the model" if gathered.compared.baseline is None else "the baseline cannot tell"


def _estimated(estimate: Estimate | None) -> EstimatedAccuracy | None:
    if estimate is None:
        return None
    accuracy = Share(*map(_rounded, (estimate.accuracy, estimate.low, estimate.high)))
    return EstimatedAccuracy(accuracy, estimate.n, estimate.holds, estimate.why)


def _of_cases(cases: Sequence[Labelled]) -> ReviewedAccuracy | None:
    right = sum(map(_right, cases))
    return ReviewedAccuracy(_share(right, len(cases)), right, len(cases)) if cases else None


def _of_all(total: Hour, passing: Sequence[Labelled], reviewed: Sequence[Labelled]) -> ReviewedAccuracy | None:
    """Of all answers: each kind weighs as much as there is of it, because unsure answers are reviewed more often.

    The interval puts those of the two kinds together (Zou and Donner's MOVER).
    """
    kinds = [(count, cases) for count, cases in ((total.passed, passing), (total.review, reviewed)) if count]
    if not kinds or not all(cases for _, cases in kinds):
        return None
    middle = below = above = 0.0
    for count, cases in kinds:
        weight, right = count / total.answered, sum(map(_right, cases)) / len(cases)
        low, high = wilson(sum(map(_right, cases)), len(cases))
        middle += weight * right
        below, above = math.hypot(below, weight * (right - low)), math.hypot(above, weight * (high - right))
    accuracy = Share(_rounded(middle), _rounded(max(0.0, middle - below)), _rounded(min(1.0, middle + above)))
    counted = [case for _, cases in kinds for case in cases]
    return ReviewedAccuracy(accuracy, sum(map(_right, counted)), len(counted))


# ---- whether it changed ------------------------------------------------------------------------------------------


def _baseline(baseline: Baseline | None, threshold: float) -> BaselineFacts | None:
    if baseline is None:
        return None
    return BaselineFacts(
        from_=baseline.made_from,
        made_at=baseline.made_at,
        model_version=baseline.model_version,
        threshold=baseline.threshold,
        # Counted with another threshold, it would not compare.
        mix=_verdicts(baseline.mix) if baseline.threshold == threshold else None,
        n={name: len(values) for name, values in baseline.columns.items()},
    )


def _verdicts(mix: Mapping[str, int]) -> dict[str, int]:
    """Whatever is no label goes to a person."""
    labels = {label: mix[label] for label in LABELS}
    return {**labels, REVIEW: sum(mix.values()) - sum(labels.values())}


def _measures(gathered: Gathered) -> list[Measure]:
    """Each measurement that there are values of."""
    sample, baseline = gathered.compared.sample or gathered.summary.sample, gathered.compared.baseline
    decision = gathered.compared.decision
    findings = {finding.name: finding for finding in decision.findings} if decision else {}
    columns = []
    for name, title in TITLES.items():
        now = _finite(sample.columns.get(name, np.empty(0)))
        if not len(now):
            continue
        before = _finite(baseline.columns[name]) if baseline and name in baseline.columns else np.empty(0)
        edges = _edges(name, now, before)
        finding = findings.get(name)
        columns.append(
            Measure(
                name=name,
                title=title,
                n=len(now),
                quartiles=np.quantile(now, [0.25, 0.5, 0.75]).round(4).tolist(),
                edges=edges.round(6).tolist(),
                now=_shares(now, edges),
                before=_shares(before, edges) if len(before) else None,
                changed=finding.changed if finding else None,
                shift=_rounded(finding.shift) if finding else None,
                mean=round(float(now.mean()), 4),
                mean_before=_rounded(float(before.mean())) if len(before) else None,
                words=finding.words if finding else None,
            )
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


def _latency(recorded: Recorded) -> Latency | None:
    whole = _seconds(recorded.upload_to_record)
    if whole is None:
        return None
    values = np.asarray(recorded.upload_to_record, dtype=np.float64)
    edges = np.linspace(0, max(1.0, float(np.quantile(values, 0.995))), _LATENCY_BINS + 1)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return Latency(whole, _seconds(recorded.start_to_record), Histogram(edges.round(4).tolist(), counts.tolist()))


def _seconds(seconds: Sequence[float]) -> Seconds | None:
    return Seconds(len(seconds), *np.quantile(seconds, [0.5, 0.95, 0.99]).round(4).tolist()) if len(seconds) else None


def _least_sure(summary: Summary) -> list[Example]:
    """Those that went to a person, and a few more where there are hardly any."""
    below = [example for example in summary.least_sure if example.value < summary.threshold]
    return list(summary.least_sure[: max(len(below), _AT_LEAST)])


def _named(example: Example, threshold: float) -> dict[str, Any]:
    """The fields of PictureFacts."""
    answer = example.answer
    return {
        "digest": example.digest,
        "at": _iso(example.at),
        "confidences": {label: None if answer is None else _rounded(answer[label]) for label in LABELS},
        "confidence": None if answer is None else _rounded(answer.confidence),
        "passed": None if answer is None else answer.confidence >= threshold,
        "label": example.label,
    }


def _share(hits: int, n: int) -> Share:
    return Share(_rounded(hits / n), *map(_rounded, wilson(hits, n))) if n else Share(None, None, None)


def _of_all_answers(summary: Summary, count: int) -> Share:
    """The share of answers that pass, or of the others; in a sample of the files its interval is that of the sample."""
    n, drawn = summary.total.answered, summary.drawn_interval
    if not n or drawn is None:
        return _share(count, n)
    low, high = drawn if count == summary.total.passed else (1 - drawn[1], 1 - drawn[0])
    return Share(*map(_rounded, (count / n, low, high)))


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
