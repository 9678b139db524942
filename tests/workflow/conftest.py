"""One local AWS with the real template, built and deployed by SAM, for all workflow tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import stack
from tests.workflow import may, taken
from tests.workflow.driver import Application, started


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Application]:
    """The deployed application, with someone listening on its event bus."""
    directory = tmp_path_factory.mktemp("local-aws")
    aws = started(directory, root)
    try:
        deployed = Application(aws, dict(aws.outputs()))
        deployed.subscribe()
        yield deployed
        taken.note(deployed.client)
        may.note(deployed.client)
    finally:
        stack.stop(directory)
