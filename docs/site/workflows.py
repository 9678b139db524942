"""The page of the workflows: each state machine of the project, drawn from its ASL."""

import json
from pathlib import Path
from typing import Any

from console.drawing import Arrow, Box, draw
from console.graph import arrows_and_crowded

ROOMS = (".", "retraining", "backfilling")
PAGE = """# The workflows

Drawn from the files in Amazon's States Language, as they are deployed. A solid arrow is the way on, a dashed one the
way after an error that a state catches; rest the pointer on it to see which. Where many states catch their errors with
the same one, a sentence says so. Every state that calls something also retries; how often stands in the file.
"""


def page(root: Path) -> str:
    """Each workflow with its comment, its drawing and its states in words."""
    return PAGE + "".join(_section(path) for path in definitions(root))


def definitions(root: Path) -> list[Path]:
    """The state machines of all applications, the first one's first."""
    return [path for room in ROOMS for path in sorted((root / room / "statemachine").glob("*.asl.json"))]


def _section(path: Path) -> str:
    machine = json.loads(path.read_text("utf-8"))
    name = path.name.removesuffix(".asl.json")
    states: dict[str, dict[str, Any]] = machine["States"]
    boxes = [Box(state, body["Type"].lower(), body.get("Comment", body["Type"])) for state, body in states.items()]
    arrows, told = arrows_and_crowded(states)
    drawn = [arrow for arrow in arrows if not (arrow.style and arrow.head in told)]
    comments = "".join(f"- **{state}.** {body['Comment']}\n" for state, body in states.items() if "Comment" in body)
    return (
        f"\n## {name}\n\n{machine['Comment']} {len(states)} states.\n\n"
        f'<div class="wide">\n{draw(boxes, drawn, name)}\n</div>\n\n'
        f"{''.join(_told(head, arrows) for head in states if head in told)}{comments}"
    )


def _told(head: str, arrows: list[Arrow]) -> str:
    tails = ", ".join(arrow.tail for arrow in arrows if arrow.style and arrow.head == head)
    return f"Errors caught in {tails} lead to **{head}**.\n\n"
