"""The drawings of the report, from its figures alone: each is drawn once, for the page and as a PNG."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, PercentFormatter

from monitoring.report.figures import HourCounts, Measure, Report
from monitoring.report.report import TITLES
from training.evaluation.chart import SETTINGS, figure, legend, png, svg, threshold_line
from training.evaluation.colours import LIGHT
from training.evaluation.plain import Share
from vehiclevision.labels import LABELS

# What the columns of the time axis may stand for, in hours: up to a year.
_COLUMNS: Final = (1, 3, 6, 12, 24, 7 * 24, 30 * 24, 365 * 24)
_MAX_COLUMNS: Final = 60
_CONFIDENCE_BINS: Final = 25
# Inches at 72 points: narrow enough for text to be read on a phone.
_WIDE: Final = 4.6
_SMALL: Final = 3.1
_LEGEND_COLUMNS: Final = 3
_LEGEND: Final = {"handlelength": 1, "columnspacing": 1.2}
_DRIFT: Final = "drift-"
# All that a report may have.
NAMES: Final = frozenset(
    {"confidence", "mix", "time", "hours", "accuracy", "latency", *(f"{_DRIFT}{name}" for name in TITLES)}
)
_DASHED: Final = (0, (3, 2))


@dataclass(frozen=True)
class Plot:
    """A drawing, by its name and with what it says in words."""

    name: str
    title: str
    drawn: Figure

    def svg(self) -> Markup:
        """For the page."""
        with mpl.rc_context(SETTINGS):
            return svg(self.drawn, self.name, self.title)

    def png(self) -> bytes:
        """As a file."""
        with mpl.rc_context(SETTINGS):
            return png(self.drawn)


def plots(report: Report) -> list[Plot]:
    """All that these figures give something to draw for."""
    with mpl.rc_context(SETTINGS):
        return list(_plots(report))


def _plots(report: Report) -> Iterator[Plot]:
    if report.answers:
        yield Plot("confidence", "How sure the answers are, with the threshold", confidence(report))
        yield Plot("mix", "Shares of each label and of reviews", mix(report))
    if any(hour.answers for hour in report.hours):
        yield Plot("time", "Answers over time, and the share that passes", over_time(report))
        yield Plot("hours", "Answers by hour of day, and the share that passes", by_hour_of_day(report))
    if report.accuracy.passed.estimated or report.accuracy.passed.reviewed:
        yield Plot("accuracy", "Accuracy: estimated, and by reviewed labels", accuracy(report))
    if report.latency:
        yield Plot("latency", "Seconds from upload to record", latency(report))
    for column in report.measures:
        title = f"{column.title}: now{' and in the baseline' if column.before else ''}"
        yield Plot(f"{_DRIFT}{column.name}", title, measure(column))


def confidence(report: Report) -> Figure:
    """How many answers are how sure, by the surest label."""
    drawn = figure(2.9, _WIDE)
    axes = drawn.subplots()
    edges = np.linspace(0, 1, _CONFIDENCE_BINS + 1)
    below = np.zeros(_CONFIDENCE_BINS)
    for label, colour in zip(LABELS, LIGHT.vehicles, strict=True):
        counts = np.array(report.confidence[label]).reshape(_CONFIDENCE_BINS, -1).sum(axis=1)
        axes.bar(edges[:-1] + 0.02, counts, width=0.034, bottom=below, color=colour, label=label)
        below += counts
    threshold_line(axes, report.threshold, LIGHT.accent)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_ylim(0, 1.08 * max(1.0, float(below.max())))
    axes.set_xlabel("highest probability")
    _counts(axes)
    legend(axes, _LEGEND_COLUMNS, 1.09, **_LEGEND)
    return drawn


def over_time(report: Report) -> Figure:
    """What became of the answers, hour by hour or in longer steps, and below it the share that passes."""
    step, columns = columns_of(report.hours)
    drawn = figure(3.6, _WIDE)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    width = step / 24
    middles = [float(date2num(start)) + width / 2 for start in columns]  # type: ignore[no-untyped-call]
    _stack(above, middles, list(columns.values()), width * 0.85)
    legend(above, _LEGEND_COLUMNS, **_LEGEND)
    shares = [entry["passed"] / entry["answers"] if entry["answers"] else np.nan for entry in columns.values()]
    below.plot(middles, shares, color=LIGHT.accent, marker="o", markersize=4, linewidth=1.5)
    below.set_ylim(0, 1.08)
    below.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.set_yticks([0, 0.5, 1])
    below.set_title("share that passes", loc="left", fontsize=10.5, color=LIGHT.accent, pad=3)
    first, last = middles[0] - width / 2, middles[-1] + width / 2
    margin = max(0.02 * (last - first), (0.5 - (last - first) / 2) if last - first < 1 else 0)
    below.set_xlim(first - margin, last + margin)
    locator = AutoDateLocator(minticks=3, maxticks=6, tz=UTC)  # type: ignore[no-untyped-call]
    below.xaxis.set_major_locator(locator)
    below.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    below.set_xlabel(f"UTC, a column is {step_in_words(step)}")
    return drawn


def columns_of(hours: Sequence[HourCounts]) -> tuple[int, dict[datetime, Counter[str]]]:
    """Hours put together into few enough columns, those in between without an answer too."""
    times = [datetime.fromisoformat(entry.hour) for entry in hours]
    span = (max(times) - min(times)) / timedelta(hours=1) + 1
    longest = _COLUMNS[-1] * math.ceil(span / _COLUMNS[-1] / _MAX_COLUMNS)
    step = next((hours for hours in _COLUMNS if span / hours <= _MAX_COLUMNS), longest)
    # A day starts at midnight, a week where the data does.
    midnight = min(times).replace(hour=0)
    offset = int((min(times) - midnight) / timedelta(hours=1)) // step * step
    start = midnight + timedelta(hours=offset)
    columns: dict[datetime, Counter[str]] = {}
    while start <= max(times):
        columns[start] = Counter()
        start += timedelta(hours=step)
    starts = list(columns)
    for time, entry in zip(times, hours, strict=True):
        column = columns[starts[int((time - starts[0]) / timedelta(hours=step))]]
        column.update({"answers": entry.answers, "passed": entry.passed, **entry.by_verdict})
    return step, columns


def step_in_words(step: int) -> str:
    """How long a column of the time axis is."""
    days, names = step // 24, {1: "a day", 7: "a week", 30: "30 days", 365: "a year"}
    if not days:
        return "an hour" if step == 1 else f"{step} hours"
    return names.get(days) or f"{days // 365} years"


def by_hour_of_day(report: Report) -> Figure:
    """What became of the answers at each hour of day, how many pass, and by labels how many of those are right."""
    hours = report.hours_of_day
    drawn = figure(3.6, _WIDE)
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(2, 1.4))
    x = [entry.hour for entry in hours]
    _stack(above, x, [entry.by_verdict for entry in hours], 0.8)
    legend(above, _LEGEND_COLUMNS, **_LEGEND)
    _points(below, x, [entry.coverage for entry in hours], colour=LIGHT.accent)
    title = "share that passes"
    if any(entry.labelled for entry in hours):
        accuracies = [entry.accuracy for entry in hours]
        _points(below, [hour + 0.3 for hour in x], accuracies, colour=LIGHT.good, marker="D")
        title = "● share that passes   ◆ right of those, by labels"
    below.set_title(title, loc="left", fontsize=10.5, color=LIGHT.faint, pad=3)
    below.set_ylim(0, 1.08)
    below.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.set_yticks([0, 0.5, 1])
    below.set_xlim(-0.7, 23.9)
    below.set_xticks(range(0, 24, 3))
    below.set_xlabel("hour of day, UTC; lines are 95 % intervals")
    return drawn


def _points(axes: Axes, x: Sequence[float], shares: Sequence[Share], *, colour: str, marker: str = "o") -> None:
    """Shares with their intervals, where there is something to be a share of."""
    # What is None is a gap.
    share, low, high = np.array([(each.share, each.low, each.high) for each in shares], dtype=np.float64).T
    axes.vlines(x, low, high, color=colour, alpha=0.4)
    axes.plot(x, share, marker, color=colour, markersize=5, clip_on=False)


def mix(report: Report) -> Figure:
    """Each label and reviews now, and in the baseline where there is one."""
    rows = [("now", report.mix)]
    if report.baseline and report.baseline.mix:
        rows.append(("baseline", report.baseline.mix))
    legend_lines = math.ceil(len(LIGHT.of_verdicts()) / _LEGEND_COLUMNS)
    drawn = figure(0.6 + 0.2 * legend_lines + 0.45 * len(rows), _WIDE)
    axes = drawn.subplots()
    for row, (_, counts) in enumerate(rows):
        left, total = 0.0, max(1, sum(counts.values()))
        for name, colour in LIGHT.of_verdicts().items():
            share = counts[name] / total
            axes.barh(row, share, left=left, height=0.55, color=colour, edgecolor=LIGHT.paper, linewidth=1.5)
            if share > 0.1:
                axes.text(left + share / 2, row, f"{share:.0%}", color=LIGHT.paper, ha="center", va="center")
            left += share
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    handles = [Patch(color=colour, label=name) for name, colour in LIGHT.of_verdicts().items()]
    legend(axes, _LEGEND_COLUMNS, handles=handles, handlelength=1)
    return drawn


def accuracy(report: Report) -> Figure:
    """What is expected without labels, and what reviewed labels say, each with its error bar."""
    rows = []
    for judged, what in ((report.accuracy.passed, "that pass"), (report.accuracy.all, "all")):
        if judged.estimated:
            fill = LIGHT.accent if judged.estimated.holds else "none"
            rows.append((f"estimated, {what}", judged.estimated.accuracy, LIGHT.accent, "o", fill))
        if judged.reviewed:
            rows.append((f"reviewed, {what}", judged.reviewed.accuracy, LIGHT.good, "D", LIGHT.good))
    drawn = figure(0.6 + 0.4 * len(rows), _WIDE)
    axes = drawn.subplots()
    for row, (_, share, colour, marker, fill) in enumerate(rows):
        axes.hlines(row, share.low or 0.0, share.high or 0.0, color=colour, linewidth=3, alpha=0.45)
        axes.plot(share.share or 0.0, row, marker, color=colour, markerfacecolor=fill, markersize=8, clip_on=False)
    lowest = min((share.low or 0.0 for _, share, *_ in rows), default=1.0)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(max(0.0, min(0.5, lowest - 0.05)), 1.01)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    return drawn


def latency(report: Report) -> Figure:
    """How long images take from upload to record."""
    drawn = figure(2.4, _WIDE)
    axes = drawn.subplots()
    if report.latency:
        edges, whole = np.array(report.latency.histogram.edges), report.latency.upload_to_record
        middles = (edges[:-1] + edges[1:]) / 2
        axes.bar(middles, report.latency.histogram.counts, width=0.88 * np.diff(edges), color=LIGHT.accent)
        for seconds in (whole.p50, whole.p95, whole.p99):
            axes.axvline(seconds, color=LIGHT.ink, linewidth=1, linestyle=_DASHED)
        axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("seconds from upload to record; lines: p50, p95, p99")
    _counts(axes)
    return drawn


def measure(column: Measure) -> Figure:
    """One measurement now, before it in grey what the baseline has."""
    drawn = figure(1.75, _SMALL)
    axes = drawn.subplots()
    edges = np.array(column.edges)
    if column.before:
        axes.stairs(column.before, edges, fill=True, color=LIGHT.line)
        axes.stairs(column.before, edges, color=LIGHT.faint, linewidth=1)
    colour = LIGHT.bad if column.changed else LIGHT.accent
    axes.stairs(column.now, edges, color=colour, linewidth=2)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, None)
    axes.yaxis.set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if column.name == "pixels":
        # The measurement is a power of ten; people know pictures by how many pixels they have.
        ticks = _round_sizes(edges[0], edges[-1])
        axes.set_xticks(np.log10(ticks), [EngFormatter(sep="")(size) for size in ticks])
    return drawn


def _round_sizes(low: float, high: float) -> list[int]:
    """A few round numbers of pixels between two powers of ten."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
        sizes = [step * 10**decade for decade in decades for step in steps if decade >= 0]
        inside = [size for size in sizes if low <= math.log10(size) <= high]
        if len(inside) > 1:
            return inside[:: math.ceil(len(inside) / 4)]
    return inside


def _stack(axes: Axes, x: Sequence[float], entries: Sequence[Mapping[str, int]], width: float) -> None:
    """Columns of each label and of reviews."""
    below = np.zeros(len(x))
    for name, colour in LIGHT.of_verdicts().items():
        counts = np.array([entry[name] for entry in entries], dtype=float)
        axes.bar(x, counts, width=width, bottom=below, color=colour, label=name)
        below += counts
    axes.set_ylim(0, 1.08 * max(1.0, float(below.max(initial=0))))
    _counts(axes)


def _counts(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
