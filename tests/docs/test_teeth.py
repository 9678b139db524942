"""The page about teeth is that of the last run, and what it takes out is still there to be taken out."""

import ast
import re
from datetime import date
from pathlib import Path

import pytest

from tests.teeth.page import page
from tests.teeth.planted import TEETH, Tooth


def test_the_page_is_what_the_run_wrote(root: Path) -> None:
    """Every defence that is tried stands on it, and nothing else: `python -m tests.teeth` writes it."""
    written = (root / "docs/teeth.md").read_text("utf-8")
    on = re.search(r"noticed on (\d{4}-\d{2}-\d{2})\.", written)

    assert on is not None
    assert written == page(date.fromisoformat(on[1]))


@pytest.mark.parametrize("tooth", TEETH, ids=lambda tooth: tooth.lost)
def test_a_defence_is_where_it_is_said_to_be(root: Path, tooth: Tooth) -> None:
    """Its words stand once in that file, what stands there instead is a program, and the test that is named exists."""
    text = (root / tooth.file).read_text("utf-8")
    file, _, name = tooth.test.partition("::")

    assert text.count(tooth.words) == 1
    ast.parse(text.replace(tooth.words, tooth.instead))
    assert not name or f"\ndef {name}(" in (root / file).read_text("utf-8")
