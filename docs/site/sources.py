"""What several generated pages read: the project's own files, its templates, the first sentence of a text."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lifecycle.templates import parsed


def tracked(root: Path, pattern: str) -> list[Path]:
    """The project's files of this pattern as git knows them, or all outside hidden folders where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", pattern],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0 and listing.stdout:
        return [root / name for name in listing.stdout.split("\0") if name and (root / name).is_file()]
    files = (path for path in root.rglob(pattern) if path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(root).parts))


def templates(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each SAM or CloudFormation template with its path: the application's first."""
    paths = sorted(tracked(root, "*template.yaml"), key=lambda path: (len(path.parts), path))
    for path in paths:
        yield path.relative_to(root).as_posix(), parsed(path.read_text("utf-8"))


def first_sentence(text: str) -> str:
    """The first sentence of the first paragraph that is no heading."""
    paragraphs = (paragraph for paragraph in text.split("\n\n") if not paragraph.lstrip().startswith("#"))
    paragraph = " ".join(next(paragraphs, "").split())
    return paragraph.split(". ")[0].removesuffix(".")


def cell(text: object) -> str:
    """A text that fits into a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")
