"""The report as one page that needs nothing but itself: no network, no scripts, at home on a phone and on paper."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from training.data.pictures import Pixels, decoded
from training.evaluation import plots
from training.evaluation.colours import dot, vehicle_styles
from training.evaluation.degrade import DEGRADATIONS, degraded
from training.evaluation.plain import plain
from training.evaluation.report import CLEAN, Answered, Report, least_sure, right, wrong
from training.evaluation.scores import VERDICTS
from training.looked import overlay
from vehiclevision.labels import LABELS, TRUTHS

# Also the place of the style sheet, which all our pages share.
HERE: Final = Path(__file__).parent
TEMPLATE: Final = "page.html"
UNKNOWN: Final = "–"
# Somewhat more than is shown, for sharp screens; some 80 pictures of 4 to 10 KB keep the page below a megabyte.
PHOTO_SIDE: Final = 208
SMALL_SIDE: Final = 128
_JPEG_QUALITY: Final = 80
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"


def page(answered: Answered, report: Report) -> str:
    """The whole page; every name that came with a picture is escaped."""
    judged, threshold, told = answered.judged(), report.figures.threshold, plain(report)
    template = environment(HERE).get_template(TEMPLATE)
    return template.render(
        report=told,
        truths=TRUTHS,
        verdicts=VERDICTS,
        histogram=plots.histogram(judged, threshold),
        reliability=plots.reliability(report.reliability),
        thresholds=plots.thresholds(report.curve, threshold),
        trade_off=plots.trade_off(report.curve, threshold) if told["n"] else None,
        cost_curve=plots.costs(report.costs.cheapest) if report.costs else None,
        wrong=_photos(answered, wrong(judged, threshold), told["pictures"]["wrong"]),
        least_sure=_photos(answered, least_sure(judged, threshold), told["pictures"]["least_sure"]),
        right=_photos(answered, right(judged, threshold), told["pictures"]["right"]),
        example=_example(answered),
    )


def environment(*folders: Path) -> Environment:
    """Templates from the first folder that has them: everything escaped, nothing undefined, numbers as people read."""
    made = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, interval=interval, number=number, width=width, dot=dot)
    made.globals.update(labels=LABELS, vehicle_styles=vehicle_styles())
    return made


def percent(value: float | None, digits: int = 1) -> str:
    """A share as people read it."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f}{_THIN}%"


def interval(figures: Mapping[str, Any], name: str) -> str:
    """The edges of a share's interval."""
    return f"{100 * figures[name + '_low']:.1f}–{100 * figures[name + '_high']:.1f}{_THIN}%"


def number(value: float | None, digits: int = 3) -> str:
    """A plain number."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def width(value: float | None) -> str:
    """A share as a length in the style sheet's words."""
    return f"{100 * (value or 0):.2f}%"


def _photos(answered: Answered, chosen: list[int], named: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each picture, and beside it where the model saw the label that it is surest of, if that is known."""
    return [{**facts, **_photo(answered, index)} for index, facts in zip(chosen, named, strict=True)]


def _photo(answered: Answered, index: int) -> dict[str, str | None]:
    picture = decoded(answered.samples.files[index])
    if index not in answered.maps:
        return {"image": data_uri(picture, SMALL_SIDE), "looked": None}
    surest = answered.maps[index][int(np.argmax(answered.answers[index]))]
    return {"image": data_uri(picture, PHOTO_SIDE), "looked": data_uri(overlay(picture, surest), PHOTO_SIDE)}


def _example(answered: Answered) -> dict[str, str]:
    """One picture in each of its states, so that a reader sees what a strength means."""
    if not answered.worse:
        return {}
    index = int(answered.samples.worse[0])
    file, shape = answered.samples.files[index], answered.samples.looks[index].shape
    states = {CLEAN: file, **{name: degraded(name, file, shape) for name in DEGRADATIONS}}
    return {name: data_uri(decoded(state), SMALL_SIDE) for name, state in states.items()}


def data_uri(picture: Pixels, side: int) -> str:
    """A picture inside the page, of so many pixels a side."""
    buffer = io.BytesIO()
    Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS).save(
        buffer, format="JPEG", quality=_JPEG_QUALITY
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
