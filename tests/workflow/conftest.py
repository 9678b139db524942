"""One local AWS with the real template, built and deployed by SAM, for all workflow tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import taken
from driver import Application

from local import stack


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Application]:
    """The deployed application, with someone listening on its event bus."""
    directory = tmp_path_factory.mktemp("local-aws")
    aws = stack.start(directory, application=root)
    try:
        deployed = Application(aws, dict(aws.outputs()))
        deployed.subscribe()
        yield deployed
        taken.note(deployed.client)
    finally:
        stack.stop(directory)
