"""A drawing that fits its page: SVG that takes its colours from the page and its text from the reader's fonts.

matplotlib draws with stand-in colours, each of which becomes a CSS variable: the same drawing then fits a light page, a
dark page and paper. The same figures give the same bytes. Drawn in real colours, it can be a PNG as well.
"""

import io
import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from markupsafe import Markup, escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Inches at 72 points: about as wide as a phone, so that text keeps its size there.
WIDTH: Final = 5.2
TEXT_POINTS: Final = 10.5
_PNG_DOTS_PER_INCH: Final = 200


@dataclass(frozen=True)
class Colours:
    """What a drawing is painted with; each name is also a variable of the page's style sheet."""

    ink: str
    faint: str
    line: str
    paper: str
    bicycle: str
    motorcycle: str
    other: str
    accent: str


# Colours that no drawing needs, each standing for a variable of the page's style sheet.
OF_THE_PAGE: Final = Colours(
    ink="#010203",
    faint="#010204",
    line="#010205",
    paper="#010206",
    bicycle="#010207",
    motorcycle="#010208",
    other="#010209",
    accent="#01020a",
)
# The style sheet's own colours for a light page: a test holds them together.
LIGHT: Final = Colours(
    ink="#1d2430",
    faint="#5d6675",
    line="#dfdcd3",
    paper="#fffefb",
    bicycle="#0b7a75",
    motorcycle="#b4530a",
    other="#6d5aa8",
    accent="#2457c5",
)


def settings(colours: Colours) -> dict[Any, Any]:
    """How all drawings look, in matplotlib's words."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "vehiclevision",
        "font.family": "sans-serif",
        "font.size": TEXT_POINTS,
        "text.color": colours.ink,
        "axes.edgecolor": colours.line,
        "axes.labelcolor": colours.faint,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": colours.line,
        "grid.linewidth": 0.8,
        "xtick.color": colours.line,
        "ytick.color": colours.line,
        "xtick.labelcolor": colours.faint,
        "ytick.labelcolor": colours.faint,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.major.pad": 6,
        "lines.linewidth": 2,
        "lines.solid_capstyle": "round",
        "figure.facecolor": "none",
    }


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty drawing of so many inches."""
    found = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(found)
    return found


def png(drawn: Figure, colours: Colours) -> bytes:
    """The drawing as a file of its own, on the page's paper."""
    buffer = io.BytesIO()
    FigureCanvasAgg(drawn)
    drawn.savefig(
        buffer,
        format="png",
        dpi=_PNG_DOTS_PER_INCH,
        facecolor=colours.paper,
        bbox_inches="tight",
        pad_inches=0.15,
        metadata={"Software": None},
    )
    return buffer.getvalue()


def svg(drawn: Figure, name: str, title: str) -> Markup:
    """The drawing as it can stand in a page: without fixed size, metadata or style of its own."""
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    width, height = (float(found) for found in re.findall(r' (?:width|height)="([\d.]+)pt"', text)[:2])
    opening = (
        f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {width:g} {height:g}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    text = opening + text[text.index(">") + 1 :]
    # Several drawings share a page, so what they name must not clash.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for variable, colour in asdict(OF_THE_PAGE).items():
        text = text.replace(colour, f"var(--{variable})")
    return Markup(text)  # noqa: S704 - drawn by matplotlib, which escapes what is written into it
