"""The report as one page that needs nothing but itself: no network, no scripts, at home on a phone and on paper."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.data.pictures import Pixels, png
from training.evaluation import plots
from training.evaluation.report import CLEAN, Answered, least_sure, wrong
from training.evaluation.scores import TRUTHS, VERDICTS

# Also the place of the style sheet, which all our pages share.
HERE: Final = Path(__file__).parent
TEMPLATE: Final = "page.html"
UNKNOWN: Final = "–"
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"


def page(answered: Answered, report: Mapping[str, Any]) -> str:
    """The whole page; every name that came with a picture is escaped."""
    judged, threshold = answered.judged(), report["threshold"]
    template = environment(HERE).get_template(TEMPLATE)
    return template.render(
        report=report,
        truths=TRUTHS,
        verdicts=VERDICTS,
        histogram=plots.histogram(judged, threshold),
        reliability=plots.reliability(report["reliability"]),
        thresholds=plots.thresholds(report["curve"], threshold),
        trade_off=plots.trade_off(report["curve"], threshold),
        cost_curve=plots.costs(report["costs"]) if report["costs"] else None,
        wrong=_thumbnails(answered, wrong(judged, threshold), report["pictures"]["wrong"]),
        least_sure=_thumbnails(answered, least_sure(judged, threshold), report["pictures"]["least_sure"]),
        example=_example(answered),
    )


def environment(*folders: Path) -> Environment:
    """Templates from the first folder that has them: everything escaped, nothing undefined, numbers as people read."""
    found = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(percent=percent, interval=interval, number=number, width=width)
    return found


def percent(value: float | None, digits: int = 1) -> str:
    """A share as people read it."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f}{_THIN}%"


def interval(found: Mapping[str, Any], name: str) -> str:
    """The edges of a share's interval."""
    return f"{100 * found[name + '_low']:.1f}–{100 * found[name + '_high']:.1f}{_THIN}%"


def number(value: float | None, digits: int = 3) -> str:
    """A plain number."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def width(value: float | None) -> str:
    """A share as a length in the style sheet's words."""
    return f"{100 * (value or 0):.2f}%"


def _thumbnails(answered: Answered, chosen: list[int], named: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pixels = answered.samples.pixels
    return [{**facts, "image": data_uri(pixels[index])} for index, facts in zip(chosen, named, strict=True)]


def _example(answered: Answered) -> dict[str, str]:
    """One picture in each of its states, so that a reader sees what a strength means."""
    if not answered.worse:
        return {}
    worse = {name: data_uri(pixels[0]) for name, pixels in answered.samples.degraded.items()}
    return {CLEAN: data_uri(answered.samples.pixels[answered.samples.worse[0]]), **worse}


def data_uri(picture: Pixels) -> str:
    """A small picture inside the page."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode()
