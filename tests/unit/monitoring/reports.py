"""Reports for the tests, from captured lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring.captures.source import open_source
from monitoring.drift.baseline import Baseline, compose
from monitoring.drift.decision import Decision, Finding
from monitoring.estimate import Estimate
from monitoring.labels import Labels, digest_of
from monitoring.report.looking import Looked
from monitoring.report.recorded import Recorded
from monitoring.report.report import Compared, Facts, Gathered, report, report_json
from monitoring.summary import summarise
from tests.unit.monitoring.capture_lines import NOON, line, png, record

THRESHOLD = 0.8
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}${x}<img src=x onerror=alert(1)>"
Answers = tuple[float, float]


def write(folder: Path, lines: Sequence[bytes], name: str = "a.jsonl") -> None:
    (folder / name).write_bytes(b"".join(each + b"\n" for each in lines))


def told(gathered: Gathered) -> dict[str, Any]:
    """The report as its readers have it: JSON."""
    return report_json(report(gathered))


def found(
    folder: Path, labels: Labels = Labels(), compared: Compared = Compared("no baseline"), **facts: Any
) -> Gathered:
    summary = summarise(open_source(str(folder)), threshold=THRESHOLD, labels=labels.by_digest, workers=1)
    stated = {"source": str(folder), "threshold": THRESHOLD, "threshold_from": "the test's", "made_at": NOON}
    return Gathered(summary, Facts(**{**stated, **facts}), compared, Recorded(), labels)


def answered(answers: Sequence[Answers], start: datetime = NOON, first: int = 0) -> list[bytes]:
    return [
        line(record(png(first + number), answer, start + timedelta(seconds=number)))
        for number, answer in enumerate(answers)
    ]


def baseline(folder: Path, model_version: str = "m1", threshold: float = THRESHOLD) -> Baseline:
    """What the files of a folder are like."""
    sample = summarise(open_source(str(folder)), threshold=THRESHOLD, workers=1).sample
    measured = {name: values for name, values in sample.columns.items() if name not in ("at", "bicycle", "motorcycle")}
    answers = {name: sample.columns[name] for name in ("bicycle", "motorcycle")}
    return compose(
        measured,
        answers,
        threshold=threshold,
        model_version=model_version,
        made_from="the test's pictures",
        made_at="2026-11-01T00:00:00+00:00",
    )


def labels_of(truths: Mapping[int, str], asked: Sequence[int] = ()) -> Labels:
    return Labels(
        {digest_of(png(number)): label for number, label in truths.items()},
        frozenset(digest_of(png(number)) for number in asked),
    )


def finding(name: str, *, changed: bool) -> Finding:
    """A comparison with hostile words."""
    return Finding(name, "picture", 30, 100, 0.001, 0.002, 0.5, 0.4, -0.6, changed, f"Pictures are {HOSTILE}: 1 -> 2")


def everything(folder: Path, made_from: str = "pictures") -> Gathered:
    """A report that has every part there is."""
    write(folder, answered([(0.9, 0.05), (0.95, 0.01), (0.05, 0.9), (0.4, 0.5)] * 5))
    before = baseline(folder)
    findings = (finding("brightness", changed=True), finding("mix", changed=True), finding("contrast", changed=False))
    compared = Compared(
        HOSTILE,
        type(before)(**{**before.__dict__, "made_from": made_from}),
        Decision(
            drifted=True,
            n=20,
            alarm_rate=0.01,
            findings=findings,
            enough=True,
            more_needed=0,
            not_compared=("embedding",),
            too_few_before=("contrast",),
            words=HOSTILE,
            earlier_pictures=20,
        ),
        Estimate(0.95, 0.9, 0.99, 15, False, HOSTILE),
        Estimate(0.9, 0.8, 0.95, 20, True, ""),
    )
    plain = found(folder, labels_of({0: "bicycle", 1: "motorcycle", 2: "neither"}), compared, endpoint=HOSTILE)
    odd = plain.summary.least_sure[:5]
    return Gathered(
        plain.summary,
        plain.facts,
        replace(compared, oddest=odd),
        Recorded("why", [1.0, 2.0, 9.0], [0.5, 1.5, 8.0], refused=Counter({HOSTILE: 2, "NOT_AN_IMAGE": 5})),
        plain.labels,
        Looked(pictures={example.digest: example.picture for example in (*odd, *plain.summary.mistakes)}),
    )
