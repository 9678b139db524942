"""The files of a report: the page, the same figures as JSON beside it, and every drawing as a PNG in a folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from monitoring.report.figures import Report
from monitoring.report.report import Gathered, pictures, report_json


@dataclass(frozen=True)
class Written:
    """Where they are."""

    page: Path
    plain: Path
    plots: Path


def write(gathered: Gathered, figures: Report, out: Path, *, images: bool) -> Written:
    """Write all three; drawings of an earlier report that this one does not have are taken away."""
    # matplotlib takes a second that a JSON alone need not wait for.
    from monitoring.report.page import page  # noqa: PLC0415
    from monitoring.report.plots import NAMES, plots  # noqa: PLC0415

    written = Written(out.with_suffix(".html"), out.with_suffix(".json"), out.with_name(f"{out.stem}-plots"))
    all_drawn = plots(figures)
    text = page(figures, pictures(gathered, figures) if images else None, all_drawn)
    drawn = {plot.name: plot.png() for plot in all_drawn}
    written.plots.mkdir(parents=True, exist_ok=True)
    for name in NAMES - drawn.keys():
        (written.plots / f"{name}.png").unlink(missing_ok=True)
    for name, content in drawn.items():
        (written.plots / f"{name}.png").write_bytes(content)
    written.plain.write_text(json.dumps(report_json(figures), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    written.page.write_text(text, encoding="utf-8")
    return written
