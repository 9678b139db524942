"""The checks are worth something: each weakening of the project, planted alone, is caught by the check named for it."""

import copy
import dataclasses

import pytest

from tests.infra.checks import CHECKS
from tests.infra.project import Project
from tests.infra.weakenings import WEAKENINGS, Weakening

_CHECKS = {check.__name__: check for check in CHECKS}


@pytest.mark.parametrize("weakening", WEAKENINGS, ids=lambda weakening: f"{weakening.name}->{weakening.check}")
def test_weakening_is_caught(project: Project, weakening: Weakening) -> None:
    """The named check has nothing to complain about before the weakening, and something after it."""
    check = _CHECKS[weakening.check]
    parts = ("template", "machine", "monitoring", "retraining", "reconciling", "backfilling", "console")
    copied = {name: copy.deepcopy(getattr(project, name)) for name in parts}
    own = dataclasses.replace(project, **copied)

    weakened = weakening.plant(own) or own

    assert check(project) == []
    assert check(weakened) != []


def test_every_check_is_proved() -> None:
    """For each check there is at least one weakening that it must catch."""
    proved = {weakening.check for weakening in WEAKENINGS}

    assert proved == set(_CHECKS)


def test_weakenings_are_different() -> None:
    """No two weakenings have the same name."""
    names = [weakening.name for weakening in WEAKENINGS]

    assert len(set(names)) == len(names) >= 25
