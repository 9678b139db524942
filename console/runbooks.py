"""The runbooks that alarms name, as pages."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from console.errors import UnknownPageError

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLDER: Final = Path(__file__).parents[1] / "docs" / "runbooks"
_NAMED: Final = re.compile(r"\s*Runbook docs/runbooks/([a-z-]+)\.md\s*")
_BESIDE: Final = re.compile(r"([a-z-]+)\.md(#[a-z0-9-]+)?")


def named(description: str) -> str:
    """The runbook that an alarm's description names; empty where it names none that is here."""
    match = _NAMED.search(description)
    return match[1] if match and (FOLDER / f"{match[1]}.md").is_file() else ""


def without(description: str) -> str:
    """An alarm's description without that name."""
    return _NAMED.sub("", description)


@cache
def page(name: str) -> Markup:
    """A runbook as HTML; UnknownPageError where there is none of that name."""
    # Where the page runs without it, no runbook is asked for.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    names = {path.stem: path for path in FOLDER.glob("*.md")}
    if name not in names:
        raise UnknownPageError("There is no runbook of that name.", "Open it from its alarm.")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(names[name].read_text("utf-8"))
    for token in tokens:
        for child in token.children or ():
            _lead_on(child)
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S704 - our own file, without HTML in it


def _lead_on(token: "Token") -> None:
    """Links to another runbook lead there; what is not among them is no link here."""
    if token.type == "link_open":
        beside = _BESIDE.fullmatch(str(token.attrs.pop("href", "")))
        if beside:
            token.attrs["href"] = f"/runbook/{beside[1]}{beside[2] or ''}"
