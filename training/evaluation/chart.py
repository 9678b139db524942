"""A drawing that fits its page: SVG that takes its colours from the page and its text from the reader's fonts.

matplotlib draws in the colours of a light page, each of which becomes a CSS variable: the same drawing then fits a dark
page and paper, too, and as a PNG it is as it was drawn. The same figures give the same bytes.
"""

import io
import re
from typing import Any, Final

from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from training.evaluation.colours import LIGHT

# Inches at 72 points: about as wide as a phone, so that text keeps its size there.
WIDTH: Final = 5.2
TEXT_POINTS: Final = 10.5
_PNG_DOTS_PER_INCH: Final = 200


# How all drawings look, in matplotlib's words.
SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vehiclevision",
    "font.family": "sans-serif",
    "font.size": TEXT_POINTS,
    "text.color": LIGHT.ink,
    "axes.edgecolor": LIGHT.line,
    "axes.labelcolor": LIGHT.faint,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LIGHT.line,
    "grid.linewidth": 0.8,
    "xtick.color": LIGHT.line,
    "ytick.color": LIGHT.line,
    "xtick.labelcolor": LIGHT.faint,
    "ytick.labelcolor": LIGHT.faint,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
}


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty drawing of so many inches."""
    drawn = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(drawn)
    return drawn


def legend(axes: Axes, columns: int = 2, height: float = 1.0, **settings: Any) -> None:
    """What the colours mean, above the drawing."""
    placing = {"loc": "lower left", "bbox_to_anchor": (-0.02, height), "borderaxespad": 0.2}
    axes.legend(ncols=columns, frameon=False, **{**placing, "handlelength": 1.8, **settings})


def threshold_line(axes: Axes, threshold: float, colour: str, words: bool = True) -> None:
    """From where on answers pass, said on the side that has room."""
    axes.axvline(threshold, color=colour, linewidth=1.4, linestyle=(0, (3, 2)))
    if words:
        side, aligned = (-5, "right") if threshold > 0.4 else (5, "left")
        placing: Any = {"xycoords": ("data", "axes fraction"), "xytext": (side, 4), "textcoords": "offset points"}
        axes.annotate(f"passes from {threshold:g}", (threshold, 1), color=colour, ha=aligned, **placing)


def png(drawn: Figure) -> bytes:
    """The drawing as a file of its own, on the page's paper."""
    buffer = io.BytesIO()
    FigureCanvasAgg(drawn)
    drawn.savefig(
        buffer,
        format="png",
        dpi=_PNG_DOTS_PER_INCH,
        facecolor=LIGHT.paper,
        bbox_inches="tight",
        pad_inches=0.15,
        metadata={"Software": None},
    )
    return buffer.getvalue()


def svg(drawn: Figure, name: str, title: str) -> Markup:
    """The drawing as it can stand in a page: without fixed size, metadata or style of its own."""
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    # What stands where is settled with that: a PNG of the same need not find it out again.
    drawn.set_layout_engine("none")
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    width, height = (float(points) for points in re.findall(r' (?:width|height)="([\d.]+)pt"', text)[:2])
    opening = (
        f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {width:g} {height:g}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    text = opening + text[text.index(">") + 1 :]
    # Several drawings share a page, so what they name must not clash.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for variable, colour in LIGHT.variables().items():
        text = text.replace(colour, f"var(--{variable})")
    return Markup(text)  # noqa: S704 - drawn by matplotlib, which escapes what is written into it
