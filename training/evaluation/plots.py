"""The plots of the page: what was said and what is true, at every threshold."""

from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.evaluation.chart import SETTINGS, figure, legend, svg, threshold_line
from training.evaluation.colours import LIGHT
from training.evaluation.costs import CheapestThreshold
from training.evaluation.scores import AtThreshold, Bin, Judged, wilson
from vehiclevision.labels import TRUTHS

INK, FAINT, ACCENT = LIGHT.ink, LIGHT.faint, LIGHT.accent
GOOD, OTHER = LIGHT.good, LIGHT.other
_OF_TRUTH: Final = LIGHT.of_truths()
_HISTOGRAM_BINS: Final = 20


def histogram(judged: Judged, threshold: float) -> Markup:
    """How sure the model is, for pictures of each kind that there is by themselves."""
    there = [row for row in range(len(TRUTHS)) if (judged.truth == row).any()]
    with mpl.rc_context(SETTINGS):
        drawn = figure(0.5 + max(2, len(there)))
        for row, axes in zip(there, drawn.subplots(len(there), 1, sharex=True, squeeze=False)[:, 0], strict=True):
            _histogram_of(axes, judged.confidence[judged.truth == row], TRUTHS[row])
            threshold_line(axes, threshold, ACCENT, words=row == there[0])
        axes.set_xlabel("highest probability")
        return svg(drawn, "histogram", f"Histogram of the confidence for {', '.join(TRUTHS[row] for row in there)}")


def _histogram_of(axes: Axes, confidence: Any, name: str) -> None:
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    counts, _ = np.histogram(confidence, edges)
    shares = counts / max(1, len(confidence))
    axes.bar(edges[:-1] + 0.025, shares, width=0.043, color=_OF_TRUTH[name])
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(0.05, float(shares.max(initial=0)) * 1.12))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.set_title(f"{name}, {len(confidence):,}", loc="left", fontsize=10.5, color=_OF_TRUTH[name], pad=3)


def reliability(bins: Sequence[Bin]) -> Markup:
    """What the model says beside what is true: on the diagonal, seven in ten means seven in ten."""
    filled = [each for each in bins if each.n]
    most = max((each.n for each in filled), default=1)
    said, true = [_or_gap(each.confidence) for each in filled], [_or_gap(each.right) for each in filled]
    sure = [wilson(round(right * each.n), each.n) for each, right in zip(filled, true, strict=True)]
    with mpl.rc_context(SETTINGS):
        drawn = figure(3.5)
        axes = drawn.subplots()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.vlines(said, [low for low, _ in sure], [high for _, high in sure], color=ACCENT, alpha=0.45, linewidth=2)
        sizes = [22 + 160 * each.n / most for each in filled]
        axes.scatter(said, true, s=sizes, color=ACCENT, zorder=3, clip_on=False)
        _shares(axes, "mean confidence", "really so")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        return svg(drawn, "reliability", "Reliability: mean confidence against the share of right answers")


def thresholds(curve: Sequence[AtThreshold], threshold: float) -> Markup:
    """What every threshold would do."""
    with mpl.rc_context(SETTINGS):
        drawn = figure(3.5)
        axes = drawn.subplots()
        x = [point.threshold for point in curve]
        lines = (
            ([point.accuracy_covered for point in curve], "right, of vehicles that pass", GOOD, "solid"),
            ([point.coverage for point in curve], "vehicles that pass", ACCENT, (0, (6, 2))),
            ([point.neither_passed for point in curve], "neither that passes", OTHER, (0, (1.5, 1.5))),
        )
        for values, label, colour, style in lines:
            if any(value is not None for value in values):
                axes.plot(
                    x, [_or_gap(value) for value in values], color=colour, label=label, linestyle=style, clip_on=False
                )
        axes.axvline(threshold, color=INK, linewidth=1)
        _shares(axes, "threshold", "")
        legend(axes)
        return svg(drawn, "thresholds", "Coverage, accuracy and false passes at every threshold")


def trade_off(curve: Sequence[AtThreshold], threshold: float) -> Markup:
    """Two numbers that conflict: fewer vehicles for a person to look at, and more mistakes."""
    with mpl.rc_context(SETTINGS):
        drawn = figure(3.5)
        axes = drawn.subplots()
        coverage = [_or_gap(point.coverage) for point in curve]
        wrong = [1 - _or_gap(point.accuracy_covered) for point in curve]
        false = [_or_gap(point.neither_passed) for point in curve]
        chosen = min(range(len(curve)), key=lambda index: abs(curve[index].threshold - threshold))
        for values, label, colour, style in (
            (wrong, "wrong, of vehicles that pass", GOOD, "solid"),
            (false, "neither that passes", OTHER, (0, (1.5, 1.5))),
        ):
            axes.plot(coverage, values, color=colour, label=label, linestyle=style)
            axes.plot([coverage[chosen]], [values[chosen]], "o", color=colour, markersize=8, clip_on=False)
        # Thresholds near 0 pass nearly everything and would press the rest into the axis.
        near = [value for value in (wrong[chosen], false[chosen]) if not np.isnan(value)]
        axes.set_ylim(0, min(1.0, max(0.03, 3 * max(near, default=0.03))))
        axes.set_xlim(min(0.5, 0.9 * coverage[chosen]) if coverage[chosen] > 0 else 0, 1.005)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("vehicles that pass")
        legend(axes)
        return svg(drawn, "trade-off", "Mistakes against coverage; the dots are the threshold in use")


def costs(cheapest: CheapestThreshold) -> Markup:
    """What 1,000 uploads cost at every threshold."""
    with mpl.rc_context(SETTINGS):
        drawn = figure(3.4)
        axes = drawn.subplots()
        x = [point.threshold for point in cheapest.curve]
        y = [point.cost for point in cheapest.curve]
        axes.axvspan(cheapest.threshold_low, cheapest.threshold_high, color=ACCENT, alpha=0.12, linewidth=0)
        axes.plot(x, y, color=ACCENT, label="with the model")
        axes.axhline(
            cheapest.cost_all_reviewed,
            color=FAINT,
            linewidth=1.2,
            linestyle=(0, (3, 2)),
            label="everything to a person",
        )
        axes.plot([cheapest.threshold], [cheapest.cost], "o", color=ACCENT, markersize=8, clip_on=False)
        axes.set_xlim(0.5, 1)
        axes.set_ylim(0, 1.15 * max(cheapest.cost_all_reviewed, min(max(y), 3 * max(min(y), 1e-9))))
        axes.set_xlabel("threshold")
        legend(axes)
        return svg(drawn, "costs", "Cost of 1,000 uploads at every threshold")


def _shares(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _or_gap(value: float | None) -> float:
    """matplotlib leaves a gap where a number is none."""
    return float("nan") if value is None else value
