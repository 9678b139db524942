"""The files of a report: the page, the same figures as JSON beside it, and every drawing as a PNG in a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring.report.report import Found, pictures


@dataclass(frozen=True)
class Written:
    """Where they are."""

    page: Path
    plain: Path
    plots: Path


def write(found: Found, figures: Mapping[str, Any], out: Path, *, images: bool) -> Written:
    """Write all three; drawings of an earlier report that this one does not have are taken away."""
    # matplotlib takes a second that a JSON alone need not wait for.
    from monitoring.report.page import page  # noqa: PLC0415
    from monitoring.report.plots import NAMES, plots  # noqa: PLC0415

    places = Written(out.with_suffix(".html"), out.with_suffix(".json"), out.with_name(f"{out.stem}-plots"))
    drawn = {plot.name: plot.png(figures) for plot in plots(figures)}
    text = page(figures, pictures(found, figures) if images else None)
    places.plots.mkdir(parents=True, exist_ok=True)
    for name in NAMES - drawn.keys():
        (places.plots / f"{name}.png").unlink(missing_ok=True)
    for name, content in drawn.items():
        (places.plots / f"{name}.png").write_bytes(content)
    places.plain.write_text(as_json(figures), encoding="utf-8")
    places.page.write_text(text, encoding="utf-8")
    return places


def as_json(figures: Mapping[str, Any]) -> str:
    """The figures as a file holds them."""
    return json.dumps(figures, indent=1, allow_nan=False) + "\n"
