"""What several generated pages read: the project's own files, its templates, the first sentence of a text."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


class Template(yaml.SafeLoader):
    """Reads a CloudFormation template; `!Sub text` is its text, `!Ref X` is X."""


def _short_form(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            return node.value
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)


Template.add_multi_constructor("!", _short_form)


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
        yield path.relative_to(root).as_posix(), yaml.load(path.read_text("utf-8"), Template)  # noqa: S506


def first_sentence(text: str) -> str:
    """The first sentence of the first paragraph that is no heading."""
    paragraphs = (paragraph for paragraph in text.split("\n\n") if not paragraph.lstrip().startswith("#"))
    paragraph = " ".join(next(paragraphs, "").split())
    return paragraph.split(". ")[0].removesuffix(".")


def cell(text: object) -> str:
    """A text that fits into a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")
