"""The report as one page that needs nothing but itself: no network, no scripts, at home on a phone and on paper."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from monitoring.captures.record import REASONS
from monitoring.report.plots import plots
from monitoring.report.standing import arrows, by_shift
from training.evaluation import page as evaluation_page
from training.evaluation.page import UNKNOWN, number

TEMPLATE: Final = "page.html"
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"

# Pictures of the examples that the report names, in the same order: PNG, or None where there is none to show.
Pictures = Mapping[str, Sequence[bytes | None]]


def page(report: Mapping[str, Any], pictures: Pictures | None) -> str:
    """The whole page; without pictures when there are none to be shown. All text from captured data is escaped."""
    shown = pictures or {}
    environment = evaluation_page.environment(Path(__file__).parent, evaluation_page.HERE)
    environment.filters.update(moment=moment, reading=reading, figure=figure, arrows=arrows, by_shift=by_shift)
    return environment.get_template(TEMPLATE).render(
        report=report,
        plots={plot.name: plot.svg(report) for plot in plots(report)},
        mistakes=_thumbnails(report["pictures"]["mistakes"], shown.get("mistakes")),
        least_sure=_thumbnails(report["pictures"]["least_sure"], shown.get("least_sure")),
        examples={name: [_data_uri(png) for png in pngs if png] for name, pngs in shown.items()},
        with_images=pictures is not None,
        thin=_THIN,
        reasons=REASONS,
        drawn={column["name"] for column in report["measures"]},
    )


def moment(text: str | None) -> str:
    """A time as people read it, to the minute."""
    return UNKNOWN if text is None else f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def reading(value: float, name: str) -> str:
    """A value of a measurement: sizes are kept as powers of ten, and read as pixels."""
    return f"{10**value:,.0f}" if name == "pixels" else number(value, 2)


def figure(value: Any) -> str:
    """A number of whatever size, or words as they are."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return UNKNOWN if value is None else str(value)


def _thumbnails(named: Sequence[Mapping[str, Any]], pictures: Sequence[bytes | None] | None) -> list[dict[str, Any]]:
    shown = pictures or [None] * len(named)
    return [{**facts, "image": _data_uri(png) if png else None} for facts, png in zip(named, shown, strict=True)]


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
