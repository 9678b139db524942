"""The documentation builds without a warning, and is whole without a network."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.drawing import Arrow, Box, draw
from docs.site import commands, demo, from_templates, workflows
from docs.site.sources import templates

FETCHED = re.compile(r"""(?:<(?:script|img|iframe|source)[^>]+src|<link[^>]+href)=["']?(?:https?:)?//""")
FETCHED_BY_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The documentation, built as `make docs` builds it, a warning being an error."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-q", "-c", "docs/site", ".", str(folder)]
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", *options], cwd=root, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    yield folder


def test_it_builds_and_every_link_in_it_leads_somewhere(site: Path) -> None:
    """The strict build passes, and each page's links to others of its pages and to its files lead to what exists."""
    pages = sorted(site.rglob("*.html"))
    missing = [
        (page.name, link)
        for page in pages
        for link in re.findall(r'(?:href|src)="(?!https?:|#|mailto:|data:)([^"#?]+)', page.read_text("utf-8"))
        if not (page.parent / link).exists()
    ]

    assert (site / "index.html").is_file()
    assert len(pages) > 40
    assert missing == []


def test_it_fetches_nothing_from_elsewhere(site: Path) -> None:
    """No page and no style sheet loads a script, a font, a style or a picture from another host."""
    pages = [page.name for page in site.rglob("*.html") if FETCHED.search(page.read_text("utf-8"))]
    styles = [style.name for style in site.rglob("*.css") if FETCHED_BY_STYLE.search(style.read_text("utf-8"))]

    assert (pages, styles) == ([], [])


def test_each_state_and_each_way_on_is_drawn(root: Path) -> None:
    """The page of workflows has a box for every state, and names every state that a caught error leads to."""
    page = workflows.page(root)

    for path in workflows.definitions(root):
        states = json.loads(path.read_text())["States"]
        assert states
        assert [name for name in states if f">{name}</text>" not in page] == [], path.name


def test_each_command_parameter_and_alarm_is_in_the_reference(root: Path) -> None:
    """Commands come from the program, parameters and alarms from the templates, and none is missing."""
    help_text = subprocess.run(
        [sys.executable, "-m", "cli.main", "--help"], cwd=root, capture_output=True, text=True, check=False
    ).stdout
    reference, table, runbooks = commands.page(), from_templates.parameters(root), from_templates.alarms(root)

    assert "## vehiclevision drop" in reference
    assert "## vehiclevision sagemaker deploy" in reference
    for name in re.findall(r"^│ ([a-z]+)  ", help_text, re.MULTILINE):
        assert f"## vehiclevision {name}" in reference
    for _, template in templates(root):
        assert [name for name in template.get("Parameters", {}) if f"`{name}`" not in table] == []
    for page in (root / "docs/runbooks").glob("*.md"):
        assert f"../runbooks/{page.name}" in runbooks


def test_a_drawing_takes_circles_long_ways_and_hostile_names() -> None:
    """A circle, an arrow to itself, one past several rows and names with markup end as boxes apart from each other."""
    boxes = [Box(name) for name in ("a", "b", "c", "<script>")]
    arrows = [
        Arrow("a", "b"),
        Arrow("b", "c"),
        Arrow("c", "a"),
        Arrow("a", "c"),
        Arrow("b", "b"),
        Arrow("c", "<script>"),
    ]

    drawing = draw(boxes, arrows, "four & more")

    places = re.findall(r'<rect x="(-?\d+)" y="(\d+)"', drawing)
    assert len(set(places)) == len(boxes)
    assert drawing.count('class="arrow') == len(arrows) - 1
    assert "<script>" not in drawing
    assert "&lt;script&gt;" in drawing
    assert "\n\n" not in drawing


def test_the_picture_of_the_demo_has_its_colours_and_nothing_that_moves() -> None:
    """What was printed in green is drawn in green; what moves a cursor is left out, and no font is fetched."""
    picture = demo.drawn("\x1b[?25l\x1b[2K\x1b[32mCLASSIFIED\x1b[0m bicycle\n")

    green = re.search(r"\.(demo-r\d+) \{ fill: #98a84b \}", picture)
    assert green and f'class="{green[1]}"' in picture
    assert ">CLASSIFIED<" in picture and "\x1b" not in picture and "25l" not in picture
    assert "font-face" not in picture
