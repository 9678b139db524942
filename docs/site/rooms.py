"""The map of the rooms: which folder of Python uses which, read from the imports."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from console.drawing import Arrow, Box, draw
from docs.site.sources import first_sentence, tracked

PAGE = """# The rooms

Each folder of the project that holds Python, and which of the others it imports, read from the import statements. An
arrow points at what is used; all of them point down, because imports run one way. `tests` and `bench` use everything
and are left out.
"""
LEFT_OUT = frozenset({"tests", "bench", "docs"})


def page(root: Path) -> str:
    """The map, and a table of what each room holds."""
    uses = imports(root)
    rooms = sorted({room for pair in uses for room in pair})
    boxes = [Box(room, "room", _phrase(root, room)) for room in rooms]
    arrows = [Arrow(user, used, hint=f"{count} imports") for (user, used), count in sorted(uses.items())]
    rows = "".join(
        f"| `{room}` | {_phrase(root, room)} | {_listed(used for user, used in uses if user == room)} |\n"
        for room in rooms
    )
    return (
        f'{PAGE}\n<div class="wide">\n{draw(boxes, arrows, "Which room uses which")}\n</div>\n\n'
        f"| room | what it holds | what it uses |\n|---|---|---|\n{rows}"
    )


def imports(root: Path) -> Counter[tuple[str, str]]:
    """How often each room imports each other one."""
    sources = [path for path in tracked(root, "*.py") if not path.is_symlink()]
    owners = _owners(root, sources)
    uses: Counter[tuple[str, str]] = Counter()
    for path in sources:
        room = path.relative_to(root).parts[0]
        if room in LEFT_OUT or len(path.relative_to(root).parts) == 1:
            continue
        for package in _imported(path):
            used = owners.get(package, room)
            if used != room and used not in LEFT_OUT:
                uses[room, used] += 1
    return uses


def _owners(root: Path, sources: Iterable[Path]) -> dict[str, str]:
    """The room of each package that can be imported by its first name; functions/ holds several."""
    owners = {}
    for path in sources:
        parts = path.relative_to(root).parts
        if len(parts) > 1:
            owners[parts[0]] = parts[0]
        if parts[0] == "functions" and len(parts) > 2:
            owners[parts[1]] = parts[0]
    return owners


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _listed(rooms: Iterable[str]) -> str:
    return ", ".join(f"`{room}`" for room in sorted(rooms)) or "nothing"


def _phrase(root: Path, room: str) -> str:
    """What the room's README, or else its package, says of itself first."""
    readme, package = root / room / "README.md", root / room / "__init__.py"
    if readme.is_file():
        return first_sentence(readme.read_text("utf-8"))
    return first_sentence(ast.get_docstring(ast.parse(package.read_text("utf-8"))) or "") if package.is_file() else ""
