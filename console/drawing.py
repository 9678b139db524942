"""A layered drawing of boxes and arrows as SVG: every arrow points down unless it closes a circle.

Sugiyama's method in its plain form: turn circles open, give each box the lowest row that its arrows allow, order the
rows so that few arrows cross, then set each box as near to its neighbours as its row leaves room for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

BOX_HEIGHT = 40
ROW_HEIGHT = 84
GAP = 28
MARGIN = 12
SWEEPS = 24
LETTER_WIDTH = 7.6
BEND_WIDTH = 10.0


@dataclass(frozen=True)
class Box:
    """One box: its name, the style class it is drawn in, what a resting pointer is told, where it leads, and a note."""

    name: str
    style: str = ""
    hint: str = ""
    link: str = ""
    note: str = ""

    @property
    def width(self) -> float:
        """Wide enough for the name."""
        return max(64.0, len(self.name) * LETTER_WIDTH + 24)


@dataclass(frozen=True)
class Arrow:
    """One arrow between two boxes, by name, with words written along it."""

    tail: str
    head: str
    style: str = ""
    hint: str = ""
    words: str = ""


@dataclass
class _Layout:
    """Rows of names, boxes and bends alike, with the chains of bends that each arrow passes."""

    rows: list[list[str]]
    chains: list[list[str]]
    above: dict[str, list[str]]
    below: dict[str, list[str]]


def draw(boxes: Sequence[Box], arrows: Sequence[Arrow], title: str) -> str:
    """The drawing as one SVG element without blank lines, so that Markdown takes it as it is."""
    by_name = {box.name: box for box in boxes}
    drawn = [arrow for arrow in dict.fromkeys(arrows) if arrow.tail != arrow.head]
    opened = _without_circles(list(by_name), drawn)
    row_of = _rows(list(by_name), opened)
    layout = _with_bends(by_name, opened, row_of)
    _reorder(layout)
    widths = {name: by_name[name].width if name in by_name else BEND_WIDTH for row in layout.rows for name in row}
    centres = _centres(layout, widths)
    height = len(layout.rows) * ROW_HEIGHT - (ROW_HEIGHT - BOX_HEIGHT) + 2 * MARGIN
    left = min(centres[name] - widths[name] / 2 for name in centres) - MARGIN
    right = max(centres[name] + widths[name] / 2 for name in centres) + MARGIN
    top = {name: MARGIN + number * ROW_HEIGHT for number, row in enumerate(layout.rows) for name in row}
    # Links within a picture would be out of reach for who does not see it.
    role = "group" if any(box.link for box in boxes) else "img"
    lines = [
        f'<svg class="drawing" xmlns="http://www.w3.org/2000/svg" role="{role}" width="{right - left:.0f}" '
        f'height="{height}" viewBox="{left:.0f} 0 {right - left:.0f} {height}">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="tip" markerWidth="9" markerHeight="9" refX="8" refY="4" orient="auto">'
        '<polygon points="0 0, 9 4, 0 8"/></marker></defs>',
        *(_path(arrow, chain, centres, top) for arrow, chain in zip(drawn, layout.chains, strict=True)),
        *(_box(box, centres[box.name], top[box.name]) for box in boxes),
        "</svg>",
    ]
    return "\n".join(lines)


def _without_circles(names: Sequence[str], arrows: Sequence[Arrow]) -> list[tuple[str, str]]:
    """Each arrow as (upper, lower); those that lead back to where a walk came from are turned round."""
    heads: dict[str, list[str]] = defaultdict(list)
    for arrow in arrows:
        heads[arrow.tail].append(arrow.head)
    state: dict[str, str] = {}
    backward: set[tuple[str, str]] = set()

    def walk(name: str) -> None:
        state[name] = "open"
        for head in heads[name]:
            if state.get(head) == "open":
                backward.add((name, head))
            elif head not in state:
                walk(head)
        state[name] = "done"

    for name in names:
        if name not in state:
            walk(name)
    return [
        (arrow.head, arrow.tail) if (arrow.tail, arrow.head) in backward else (arrow.tail, arrow.head)
        for arrow in arrows
    ]


def _rows(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    uppers: dict[str, set[str]] = defaultdict(set)
    for upper, lower in edges:
        uppers[lower].add(upper)
    row_of: dict[str, int] = {}

    def row(name: str) -> int:
        if name not in row_of:
            row_of[name] = 1 + max((row(upper) for upper in uppers[name]), default=-1)
        return row_of[name]

    for name in names:
        row(name)
    return row_of


def _with_bends(boxes: dict[str, Box], edges: Sequence[tuple[str, str]], row_of: dict[str, int]) -> _Layout:
    """An arrow over several rows gets a bend in each that it passes."""
    rows: list[list[str]] = [[] for _ in range(max(row_of.values()) + 1)]
    for name in boxes:
        rows[row_of[name]].append(name)
    above: dict[str, list[str]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    chains = []
    for number, (upper, lower) in enumerate(edges):
        bends = [f"\0{number}.{row}" for row in range(row_of[upper] + 1, row_of[lower])]
        for row, bend in enumerate(bends, row_of[upper] + 1):
            rows[row].append(bend)
        chain = [upper, *bends, lower]
        chains.append(chain)
        for one, next_one in pairwise(chain):
            below[one].append(next_one)
            above[next_one].append(one)
    return _Layout(rows, chains, above, below)


def _reorder(layout: _Layout) -> None:
    """Order each row by the middle of its neighbours, down and up in turn; the order that crosses least is kept."""
    best, fewest = [list(row) for row in layout.rows], _crossings(layout)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = layout.above if down else layout.below
        numbers = range(1, len(layout.rows)) if down else range(len(layout.rows) - 2, -1, -1)
        for number in numbers:
            fixed = layout.rows[number - 1 if down else number + 1]
            layout.rows[number].sort(key=_middle(neighbours, fixed, layout.rows[number]))
        crossings = _crossings(layout)
        if crossings < fewest:
            best, fewest = [list(row) for row in layout.rows], crossings
    layout.rows = best


def _middle(neighbours: dict[str, list[str]], fixed: list[str], row: list[str]) -> Callable[[str], float]:
    position = {name: number for number, name in enumerate(fixed)}
    own = {name: number for number, name in enumerate(row)}

    def middle(name: str) -> float:
        others = [position[other] for other in neighbours[name] if other in position]
        return sum(others) / len(others) if others else own[name]

    return middle


def _crossings(layout: _Layout) -> int:
    total = 0
    for upper, lower in zip(layout.rows, layout.rows[1:], strict=False):
        position = {name: number for number, name in enumerate(lower)}
        ends = [position[below] for name in upper for below in sorted(layout.below[name], key=position.__getitem__)]
        total += sum(one > other for number, one in enumerate(ends) for other in ends[number + 1 :])
    return total


def _centres(layout: _Layout, widths: dict[str, float]) -> dict[str, float]:
    centres: dict[str, float] = {}
    for row in layout.rows:
        centres.update(_settled(row, dict.fromkeys(row, 0.0), widths))
    for sweep in range(SWEEPS):
        neighbours = layout.above if sweep % 2 == 0 else layout.below
        rows = layout.rows if sweep % 2 == 0 else layout.rows[::-1]
        for row in rows:
            desired = {
                name: sum(centres[other] for other in neighbours[name]) / len(neighbours[name])
                if neighbours[name]
                else centres[name]
                for name in row
            }
            centres.update(_settled(row, desired, widths))
    return centres


def _settled(row: Sequence[str], desired: dict[str, float], widths: dict[str, float]) -> dict[str, float]:
    """As near to what each would like as order and gaps allow: neighbours that would overlap share a middle."""
    offsets, offset = [], 0.0
    for before, name in zip([None, *row], row, strict=False):
        offset += 0 if before is None else (widths[before] + widths[name]) / 2 + GAP
        offsets.append(offset)
    blocks: list[list[float]] = []
    for name, start in zip(row, offsets, strict=True):
        blocks.append([desired[name] - start, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            middle, count = blocks.pop()
            merged = blocks[-1][1] + count
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + middle * count) / merged, merged]
    middles = [middle for middle, count in blocks for _ in range(int(count))]
    return {name: middle + start for name, middle, start in zip(row, middles, offsets, strict=True)}


def _path(arrow: Arrow, chain: Sequence[str], centres: dict[str, float], top: dict[str, int]) -> str:
    """From the lower edge of the upper box through its bends; one that leads back is drawn upwards."""
    points = [(centres[chain[0]], top[chain[0]] + BOX_HEIGHT)]
    for bend in chain[1:-1]:
        points += [(centres[bend], top[bend]), (centres[bend], top[bend] + BOX_HEIGHT)]
    points.append((centres[chain[-1]], top[chain[-1]]))
    if chain[0] != arrow.tail:
        points.reverse()
    way = [f"M{points[0][0]:.0f} {points[0][1]}"]
    for (x, y), (next_x, next_y) in pairwise(points):
        middle = (y + next_y) / 2
        way.append(f"C{x:.0f} {middle:.0f} {next_x:.0f} {middle:.0f} {next_x:.0f} {next_y}")
    hint = f"<title>{escape(arrow.hint)}</title>" if arrow.hint else ""
    drawn = f'<path class="arrow {arrow.style}" d="{" ".join(way)}" marker-end="url(#tip)">{hint}</path>'
    if not arrow.words:
        return drawn
    (x, y), (next_x, next_y) = points[:2]
    at = f'x="{(x + next_x) / 2:.0f}" y="{(y + next_y) / 2 + 4:.0f}"'
    return f'{drawn}<text class="words" {at}>{escape(arrow.words)}</text>'


def _box(box: Box, centre: float, top: int) -> str:
    hint = f"<title>{escape(box.hint)}</title>" if box.hint else ""
    note = f'<text class="note" x="{centre:.0f}" y="{top + 36}">{escape(box.note)}</text>' if box.note else ""
    drawn = (
        f'<g class="box {box.style}"><rect x="{centre - box.width / 2:.0f}" y="{top}" width="{box.width:.0f}" '
        f'height="{BOX_HEIGHT}" rx="7"/><text x="{centre:.0f}" y="{top + (20 if box.note else 25)}">{escape(box.name)}'
        f"</text>{note}{hint}</g>"
    )
    return f'<a href="{escape(box.link)}">{drawn}</a>' if box.link else drawn
