"""The report in a real browser: on a phone, a desktop and paper, light and dark, whatever was captured."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from monitoring.report.page import write
from monitoring.report.report import Gathered, report
from tests.browser.browser import chromium, measured, printed
from tests.unit.monitoring.capture_lines import line, png, record
from tests.unit.monitoring.reports import HOSTILE, answered, everything, found
from tests.unit.monitoring.reports import write as write_lines

PHONE, TABLET, DESKTOP = 360, 800, 1200
WIDTHS = (320, PHONE, 414, TABLET, DESKTOP)
# What people with weak eyes need (WCAG 2.2, level AA).
LEAST_CONTRAST = 4.5
LEAST_CHART_TEXT_PIXELS = 8

pytestmark = pytest.mark.usefixtures("browser")


@pytest.fixture(scope="module")
def browser() -> str:
    """Skips where there is no browser."""
    return chromium()


def nothing(folder: Path) -> Gathered:
    return found(folder)


def tabular(folder: Path) -> Gathered:
    write_lines(folder, [line(record(None, "0.5", output_encoding="CSV"))] * 5 + [b"junk"])
    return found(folder)


def one(folder: Path) -> Gathered:
    write_lines(folder, [line(record(png(1), (0.7, 0.2)))])
    return found(folder)


def many(folder: Path) -> Gathered:
    write_lines(folder, answered([(0.9, 0.05), (0.05, 0.99), (0.5, 0.4)] * 400))
    return found(folder)


def long_names(folder: Path) -> Gathered:
    """Names without a place to break them."""
    made = everything(folder)
    made.summary.model_versions["v" * 200] = 1
    made.summary.unreadable["no_such_reason" * 20] = 1
    return made


PAGES: dict[str, Callable[[Path], Gathered]] = {
    "everything": everything,
    "nothing": nothing,
    "tabular": tabular,
    "one": one,
    "many": many,
    "long names": long_names,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind."""
    made = {}
    for name, make in PAGES.items():
        folder = tmp_path_factory.mktemp("captured")
        every = make(folder)
        made[name] = write(
            every, report(every), tmp_path_factory.mktemp("page") / "report", images=name == "everything"
        )["Page"]
    return made


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off_at_any_width(pages: dict[str, Path], name: str) -> None:
    """No sideways scrolling, no chart text out of its card or on another, and all of it large enough to read."""
    for width, page in zip(WIDTHS, measured(pages[name], *WIDTHS), strict=True):
        assert page["width"] == width
        assert page["scrollWidth"] <= width, page["beyond"]
        assert page["beyond"] == []
        assert page["outOfCard"] == []
        assert page["clashes"] == []
        assert page["smallest"] >= LEAST_CHART_TEXT_PIXELS
        assert page["brokenImages"] == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_words_stand_out_from_what_is_behind_them(pages: dict[str, Path], dark: bool) -> None:
    """Light and dark are two pages, and both can be read."""
    (page,) = measured(pages["everything"], DESKTOP, dark=dark)

    brightness = sum(map(int, re.findall(r"\d+", page["background"])[:3])) / 3
    assert (brightness < 64) == dark
    assert page["faintest"] >= LEAST_CONTRAST, page["faintestWords"]


def test_captured_text_starts_no_script_in_a_browser(pages: dict[str, Path]) -> None:
    """The hostile names are on the page, and none of them has become an element."""
    (page,) = measured(pages["everything"], DESKTOP)

    assert HOSTILE.partition("<script>")[2][:8] in pages["everything"].read_text()
    assert page["scripts"] == 0
    assert page["images"] > 0


def test_paper_gets_the_whole_page(pages: dict[str, Path], tmp_path: Path) -> None:
    """It can be printed, on a handful of sheets."""
    paper = printed(pages["everything"], tmp_path / "report.pdf")

    assert paper.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 8
