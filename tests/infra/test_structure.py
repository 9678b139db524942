"""The rules that no scanner knows; each check's docstring is its claim."""

import pytest

from tests.infra.checks import CHECKS, Check
from tests.infra.project import Project


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_structure(project: Project, check: Check) -> None:
    """The project passes the check; the claim is the check's own docstring."""
    complaints = check(project)

    assert complaints == [], check.__doc__


def test_checks_have_a_claim_and_a_name_of_their_own() -> None:
    """Each check states its claim in a docstring, under a name that no other check has."""
    names = [check.__name__ for check in CHECKS]

    assert all(check.__doc__ for check in CHECKS)
    assert len(set(names)) == len(names)
