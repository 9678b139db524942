"""The report as one page that needs nothing but itself: no network, no scripts, at home on a phone and on paper.

Beside it lie the same figures as JSON, and every drawing as a PNG in a folder.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from PIL import Image

from monitoring.captures.record import REASONS
from monitoring.report.figures import Report
from monitoring.report.plots import NAMES, Plot, plots
from monitoring.report.report import LOOKED, Gathered, report_json
from monitoring.report.report import pictures as pictures_of
from monitoring.report.standing import arrows
from training.evaluation import page as evaluation_page
from training.evaluation.page import UNKNOWN, number
from training.evaluation.plain import plain

TEMPLATE: Final = "page.html"
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"

# Somewhat more than the page shows, for sharp screens. There are at most 120 pictures of at most so many bytes, most
# take half of that, and a page stays below 2 MB.
THUMBNAIL_SIDE: Final = 192
SMALL_SIDE: Final = 112
MAX_THUMBNAIL_BYTES: Final = 12 * 1024
_QUALITIES: Final = (85, 70, 50, 30, 10)

# Pictures of the examples that the report names, in the same order: JPEG, or None where there is none to show.
Pictures = Mapping[str, Sequence[bytes | None]]


def write(gathered: Gathered, figures: Report, out: Path, *, images: bool) -> dict[str, Path]:
    """Write all three, and say where; drawings of an earlier report that this one does not have are taken away."""
    html, plain_file, folder = out.with_suffix(".html"), out.with_suffix(".json"), out.with_name(f"{out.stem}-plots")
    all_drawn = plots(figures)
    text = page(figures, pictures_of(gathered, figures) if images else None, all_drawn)
    drawn = {plot.name: plot.png() for plot in all_drawn}
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES - drawn.keys():
        (folder / f"{name}.png").unlink(missing_ok=True)
    for name, content in drawn.items():
        (folder / f"{name}.png").write_bytes(content)
    plain_file.write_text(json.dumps(report_json(figures), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    html.write_text(text, encoding="utf-8")
    return {"Page": html, "JSON": plain_file, "PNGs": folder}


def page(figures: Report, pictures: Pictures | None, drawn: Sequence[Plot] | None = None) -> str:
    """The whole page; without pictures when there are none to be shown. All text from captured data is escaped.

    What is drawn of the figures may be given, so that nobody draws it twice.
    """
    shown, report = pictures or {}, report_json(figures)
    environment = evaluation_page.environment(Path(__file__).parent, evaluation_page.HERE)
    environment.filters.update(moment=moment, reading=reading, figure=figure, arrows=arrows)
    return environment.get_template(TEMPLATE).render(
        report=report,
        plots={plot.name: plot.svg() for plot in (plots(figures) if drawn is None else drawn)},
        **{name: _thumbnails(name, report, shown) for name in report["pictures"]},
        examples={
            column.name: [_data_uri(jpeg, SMALL_SIDE) for jpeg in shown.get(column.name, ()) if jpeg]
            for column in figures.measures
        },
        changed=plain(figures.drift.changed) if figures.drift else [],
        with_images=pictures is not None,
        thin=_THIN,
        reasons=REASONS,
        drawn={column.name for column in figures.measures},
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


def _thumbnails(name: str, report: Mapping[str, Any], shown: Pictures) -> list[dict[str, Any]]:
    """What the report says of each picture, with the picture, and with the same as the model looked at it."""
    named = report["pictures"][name]
    nothing = [None] * len(named)
    together = zip(named, shown.get(name, nothing), shown.get(name + LOOKED, nothing), strict=True)
    return [
        {**facts, "image": _data_uri(jpeg) if jpeg else None, "looked": _data_uri(looked) if looked else None}
        for facts, jpeg, looked in together
    ]


def _data_uri(jpeg: bytes, side: int = THUMBNAIL_SIDE) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail(jpeg, side)).decode()


def thumbnail(jpeg: bytes, side: int = THUMBNAIL_SIDE) -> bytes:
    """The picture as a JPEG of at most so many pixels a side and MAX_THUMBNAIL_BYTES."""
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, format="JPEG", quality=quality)
        if buffer.tell() <= MAX_THUMBNAIL_BYTES:
            break
    return buffer.getvalue()
