"""A drawing that fits its page: SVG that takes its colours from the page and its text from the reader's fonts.

matplotlib draws with stand-in colours, each of which becomes a CSS variable: the same drawing then fits a light page, a
dark page and paper. The same figures give the same bytes. Drawn in real colours, it can be a PNG as well.
"""

import colorsys
import io
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from vehiclevision.labels import LABELS, NEITHER, REVIEW

# Inches at 72 points: about as wide as a phone, so that text keeps its size there.
WIDTH: Final = 5.2
TEXT_POINTS: Final = 10.5
_PNG_DOTS_PER_INCH: Final = 200
# A step around the colour wheel after which no two of many hues are close.
_GOLDEN: Final = 0.618034


@dataclass(frozen=True)
class Colours:
    """What a drawing is painted with; each name is also a variable of the page's style sheet.

    `vehicles` has one for each label, which the page calls vehicle-0, vehicle-1 and so on.
    """

    ink: str
    faint: str
    line: str
    paper: str
    good: str
    bad: str
    other: str
    accent: str
    vehicles: tuple[str, ...]

    def of_verdicts(self) -> dict[str, str]:
        """A colour for each label, and one for what goes to a person."""
        return {**dict(zip(LABELS, self.vehicles, strict=True)), REVIEW: self.other}

    def of_truths(self) -> dict[str, str]:
        """A colour for each label, and one for pictures of none of them."""
        return {**dict(zip(LABELS, self.vehicles, strict=True)), NEITHER: self.other}

    def variables(self) -> dict[str, str]:
        """By the names of the style sheet."""
        plain = {name: colour for name, colour in asdict(self).items() if isinstance(colour, str)}
        return {**plain, **{f"vehicle-{number}": colour for number, colour in enumerate(self.vehicles)}}


def told_apart(chosen: Sequence[str], lightness: float) -> tuple[str, ...]:
    """A colour for each label: those chosen by eye, and further ones as far from each other as their number allows."""
    more = [colorsys.hls_to_rgb(number * _GOLDEN % 1, lightness, 0.6) for number in range(len(LABELS) - len(chosen))]
    return (*chosen[: len(LABELS)], *("#" + bytes(round(255 * part) for part in colour).hex() for colour in more))


# Colours that no drawing needs, each standing for a variable of the page's style sheet.
OF_THE_PAGE: Final = Colours(
    ink="#010203",
    faint="#010204",
    line="#010205",
    paper="#010206",
    good="#010207",
    bad="#010208",
    other="#010209",
    accent="#01020a",
    vehicles=tuple(f"#0103{number:02x}" for number in range(len(LABELS))),
)
# The style sheet's own colours for a light page: a test holds them together.
LIGHT: Final = Colours(
    ink="#1d2430",
    faint="#5d6675",
    line="#dfdcd3",
    paper="#fffefb",
    good="#0b7a75",
    bad="#b4530a",
    other="#6d5aa8",
    accent="#2457c5",
    vehicles=told_apart(("#0b7a75", "#b4530a", "#a3265c", "#5b7a0a", "#1f6fa8", "#8a5a2b"), 0.33),
)
_DARK: Final = told_apart(("#4fc4b8", "#f0a35e", "#f08bb6", "#b6d05e", "#7fc0ef", "#d9ab7c"), 0.7)
_PAPER: Final = told_apart(("#0b7a75", "#a34a06", "#8f1f50", "#4c6608", "#185a89", "#734a22"), 0.28)


def vehicle_styles() -> Markup:
    """What the style sheet says of the labels: their colours on a light page, a dark page and paper, and their dots."""

    def root(colours: Sequence[str]) -> str:
        variables = " ".join(f"--vehicle-{number}: {colour};" for number, colour in enumerate(colours))
        return f":root {{ {variables} }}"

    dots = " ".join(
        f".dot.vehicle-{number} {{ background: var(--vehicle-{number}); }}" for number in range(len(LABELS))
    )
    return Markup(  # noqa: S704 - our own colours
        f"{root(LIGHT.vehicles)}\n@media (prefers-color-scheme: dark) {{ {root(_DARK)} }}\n"
        f"@media print {{ {root(_PAPER)} }}\n{dots}"
    )


def dot(name: str) -> str:
    """The classes of the dot that stands before a label; any other name has the colour of no vehicle."""
    return f"dot vehicle-{LABELS.index(name)}" if name in LABELS else "dot"


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


def legend(axes: Axes, columns: int = 2, height: float = 1.0, **settings: Any) -> None:
    """What the colours mean, above the drawing."""
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, height), "borderaxespad": 0.2}
    axes.legend(ncols=columns, frameon=False, **{**place, "handlelength": 1.8, **settings})


def threshold_line(axes: Axes, threshold: float, colour: str, words: bool = True) -> None:
    """From where on answers pass, said on the side that has room."""
    axes.axvline(threshold, color=colour, linewidth=1.4, linestyle=(0, (3, 2)))
    if words:
        side, aligned = (-5, "right") if threshold > 0.4 else (5, "left")
        place: Any = {"xycoords": ("data", "axes fraction"), "xytext": (side, 4), "textcoords": "offset points"}
        axes.annotate(f"passes from {threshold:g}", (threshold, 1), color=colour, ha=aligned, **place)


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
    for variable, colour in OF_THE_PAGE.variables().items():
        text = text.replace(colour, f"var(--{variable})")
    return Markup(text)  # noqa: S704 - drawn by matplotlib, which escapes what is written into it
