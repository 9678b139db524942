"""What the simulated runs went through counts in the end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.machine import WENT_THROUGH
from tests.workflow import taken


@pytest.fixture(scope="session", autouse=True)
def counted() -> Iterator[None]:
    """Written down when this process has done its tests."""
    yield
    if folder := os.environ.get(taken.FOLDER_VARIABLE):
        for workflow, ways in WENT_THROUGH.items():
            taken.write(Path(folder), workflow, ways)
