"""What the infra tests share: the project, and its template as CloudFormation sees it."""

from pathlib import Path

import pytest

from tests.infra.cloudformation import (
    backfilling_to_cloudformation,
    monitoring_to_cloudformation,
    plain_to_cloudformation,
    retraining_to_cloudformation,
    to_cloudformation,
)
from tests.infra.project import Json, Project, read_project


@pytest.fixture(scope="session")
def project(root: Path) -> Project:
    """The checkout as plain data."""
    return read_project(root)


@pytest.fixture(scope="session")
def transformed(project: Project) -> Json:
    """template.yaml as plain CloudFormation."""
    return to_cloudformation(project)


@pytest.fixture(scope="session")
def beside(project: Project) -> dict[str, Json]:
    """The templates of the applications beside the first as plain CloudFormation."""
    return {
        "monitoring": monitoring_to_cloudformation(project),
        "retraining": retraining_to_cloudformation(project),
        "reconciling": plain_to_cloudformation(project.reconciling),
        "backfilling": backfilling_to_cloudformation(project),
        "console": plain_to_cloudformation(project.console),
    }
