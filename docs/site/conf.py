"""Sphinx's configuration: the project's own Markdown, read where it lies, and the pages that are made from the code."""

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from docs.site import commands, from_templates, rooms, workflows  # noqa: E402 - the path must be set first

project = "VehicleVision"
release = version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
copyright = "VehicleVision's authors"  # noqa: A001 - Sphinx calls it so
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "training/model/CARD.md", "*/README.md"]
exclude_patterns = [".*", "build", "node_modules", "**/lambda", "tests/*/**"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header"]  # the README's first heading is its only one of the first level
smartquotes = False  # an option has two hyphens
html_theme = "furo"
html_title = "VehicleVision"
html_static_path = ["static"]
html_css_files = ["drawing.css"]
html_copy_source = False
html_show_sphinx = False

GUIDES = (
    "local",
    "console",
    "model",
    "deploy",
    "sagemaker",
    "consumers",
    "backfill",
    "monitoring",
    "operations",
    "measurements",
    "changing",
)
# What the sidebar shows, a heading each; README.md itself stays free of it.
SIDEBAR = {
    "Guides": [f"docs/guide/{name}" for name in GUIDES],
    "Reference": [f"docs/reference/{name}" for name in ("commands", "parameters", "alarms", "workflows", "rooms")],
    "Background": ["docs/reference/decisions", "training/model/CARD", "docs/*"],
    "Project": [*sorted({path.stem for path in ROOT.glob("*.md")} - {root_doc}), "docs/reference/folders"],
}
DECISIONS = "# Decisions\n\nWhy it is as it is.\n\n```{toctree}\n:glob:\n../decisions/*\n```\n"
FOLDERS = "# Folders\n\nWhat each folder says of itself.\n\n```{toctree}\n:glob:\n../../*/README\n```\n"


def write_reference(_app: Any) -> None:
    """Make the pages that the code itself is the source of, anew for each build."""
    pages = {
        "commands": commands.page(),
        "parameters": from_templates.parameters(ROOT),
        "alarms": from_templates.alarms(ROOT),
        "workflows": workflows.page(ROOT),
        "rooms": rooms.page(ROOT),
        "decisions": DECISIONS,
        "folders": FOLDERS,
    }
    reference = ROOT / "docs/reference"
    reference.mkdir(exist_ok=True)
    for name, text in pages.items():
        (reference / f"{name}.md").write_text(text, "utf-8")


def prepare(_app: Any, document: str, source: list[str]) -> None:
    """Give the front page its sidebar, and lead links to folders to the page about them."""
    source[0] = re.sub(r"\]\((\.\./|docs/)*decisions\)", "](/docs/reference/decisions.md)", source[0])
    if document == root_doc:
        source[0] += "".join(
            f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n" + "\n".join(pages) + "\n```\n"
            for caption, pages in SIDEBAR.items()
        )


def copy_front_page(app: Any, exception: Exception | None) -> None:
    """A browser that opens the folder looks for index.html."""
    if exception is None and app.builder.format == "html":
        shutil.copyfile(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app: Any) -> None:
    """Sphinx calls this once."""
    app.connect("builder-inited", write_reference, priority=100)
    app.connect("source-read", prepare)
    app.connect("build-finished", copy_front_page)
