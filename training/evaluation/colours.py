"""The colours of our pages and drawings, and the style of the labels: what a page needs that draws nothing itself."""

import colorsys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from markupsafe import Markup

from vehiclevision.labels import LABELS, NEITHER, REVIEW

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


# The style sheet's own colours for a light page: a test holds them together. No two are the same, so that a drawing's
# colours can be told by what they stand for.
LIGHT: Final = Colours(
    ink="#1d2430",
    faint="#5d6675",
    line="#dfdcd3",
    paper="#fffefb",
    good="#0b7a75",
    bad="#b4530a",
    other="#6d5aa8",
    accent="#2457c5",
    vehicles=told_apart(("#0b7a76", "#b4530b", "#a3265c", "#5b7a0a", "#1f6fa8", "#8a5a2b"), 0.33),
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
