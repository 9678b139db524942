"""A state machine as boxes and arrows, and a run drawn upon it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from console.drawing import Arrow, Box, draw
from console.run import Run

# Dashed arrows to one state; more of them would hide the way that is meant.
MOST_CAUGHT: Final = 4


def arrows_of(state: str, body: Mapping[str, Any]) -> Iterator[Arrow]:
    """The ways out of a state; one after an error that it catches is in the style `caught`."""
    if "Next" in body:
        yield Arrow(state, body["Next"])
    for choice in body.get("Choices", []):
        yield Arrow(state, choice["Next"], hint=str(choice.get("Condition", "")).strip("{%} "))
    if "Default" in body:
        yield Arrow(state, body["Default"], hint="otherwise")
    caught: dict[str, list[str]] = {}
    for catch in body.get("Catch", []):
        caught.setdefault(catch["Next"], []).extend(catch["ErrorEquals"])
    for head, errors in caught.items():
        yield Arrow(state, head, "caught", ", ".join(errors))


def arrows_and_crowded(states: Mapping[str, Mapping[str, Any]]) -> tuple[list[Arrow], set[str]]:
    """All arrows, and the states to which so many caught errors lead that they are better told than drawn."""
    arrows = [arrow for state, body in states.items() for arrow in arrows_of(state, body)]
    caught = Counter(arrow.head for arrow in arrows if arrow.style)
    return arrows, {head for head, count in caught.items() if count > MOST_CAUGHT}


def run_graph(run: Run) -> str:
    """The run as a picture: each state in the colour of what happened, each box a link to what went in and out.

    States to which only undrawn arrows lead are left out, unless the run went there.
    """
    arrows, crowded = arrows_and_crowded(run.states)
    taken = run.taken()
    # Between two states only one arrow is drawn: the one that the run took says what happened.
    drawn: dict[tuple[str, str], Arrow] = {}
    for arrow in arrows:
        ends = arrow.tail, arrow.head
        if ends in taken:
            drawn[ends] = _taken(run, arrow)
        elif not (arrow.style and arrow.head in crowded):
            drawn.setdefault(ends, arrow)
    connected = _connected([*list(run.states)[:1], *(visit.state for visit in run.visits)], drawn)
    boxes = [_box(run, state, str(body["Type"])) for state, body in run.states.items() if state in connected]
    shown = [arrow for arrow in drawn.values() if arrow.tail in connected]
    return draw(boxes, shown, f"The run, state by state: {run.status.lower()}")


def _connected(begin: Iterable[str], ends: Iterable[tuple[str, str]]) -> set[str]:
    """All states that arrows lead to from these, and these."""
    heads: dict[str, set[str]] = {}
    for tail, head in ends:
        heads.setdefault(tail, set()).add(head)
    connected, coming = set[str](), list(begin)
    while coming:
        if (state := coming.pop()) not in connected:
            connected.add(state)
            coming += heads.get(state, ())
    return connected


def anchor(run: Run, state: str) -> str:
    """The name of a state's place on the page."""
    return f"state-{list(run.states).index(state) + 1}"


def _box(run: Run, state: str, kind: str) -> Box:
    visit = run.last_visit(state)
    if visit is None:
        return Box(state, kind.lower(), f"{kind}: not reached")
    seconds = "" if visit.seconds is None else f", {visit.seconds:.2f} s"
    tries = f", {len(visit.attempts)} tries" if len(visit.attempts) > 1 else ""
    note = f"{len(visit.attempts)} tries" if len(visit.attempts) > 1 else ""
    return Box(
        state, f"{kind.lower()} {visit.mood}", f"{state}: {visit.mood}{seconds}{tries}", f"#{anchor(run, state)}", note
    )


def _taken(run: Run, arrow: Arrow) -> Arrow:
    visit = next(
        one
        for one, other in zip(run.visits, run.visits[1:], strict=False)
        if (one.state, other.state) == (arrow.tail, arrow.head)
    )
    style = "taken caught" if visit.error else "taken"
    return Arrow(arrow.tail, arrow.head, style, arrow.hint, visit.error)
