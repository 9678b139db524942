"""When a run is held back, and the sentence that says why."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.site import Site
from retraining import gates
from retraining.errors import RetrainingError
from retraining.gates import Counts, Past, held_back
from retraining.settings import StackParameters

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SETTINGS = StackParameters(
    site=Site("vehiclevision", "1" * 12, "eu-central-1"),
    upload_bucket="photos",
    training_data="s3://b/training-data/1/",
    training_data_hash="a" * 64,
    training_source="s3://b/code/1/sourcedir.tar.gz",
    training_image="1.dkr.ecr/pytorch-training:2",
    instance_type="ml.m5.xlarge",
    threshold=0.856,
    least_new_labels=50,
    least_held_out=20,
    cool_down_hours=24,
    runs_a_month=4,
    dollars_a_month=10,
    dollars_an_hour=0.23,
)
ENOUGH = Counts(50, Counter(bicycle=20, motorcycle=15, neither=5), Counter(bicycle=10, motorcycle=8, neither=2))


def past(hours_ago: float, *, completed: bool = True, seconds: float = 3600) -> Past:
    return Past("job", NOW - timedelta(hours=hours_ago), completed, seconds)


def code(**changes: object) -> str | None:
    given = {"settings": SETTINGS, "past": [], "counts": ENOUGH, "others_running": [], "now": NOW, **changes}
    found = held_back(**given)  # type: ignore[arg-type]
    return found.code if found else None


def test_with_all_there_it_goes_on() -> None:
    """Exactly enough is enough."""
    assert code() is None
    assert code(past=[past(24)]) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": replace(SETTINGS, training_data="")}, gates.NOT_SET_UP),
        ({"settings": replace(SETTINGS, training_source="", training_image="")}, gates.NOT_SET_UP),
        ({"others_running": ["other"]}, gates.ALREADY_RUNNING),
        ({"past": [past(23.9)]}, gates.COOLING_DOWN),
        ({"past": [past(1, completed=False)]}, gates.COOLING_DOWN),
        ({"counts": replace(ENOUGH, new=49)}, gates.LABELS_MISSING),
        ({"counts": replace(ENOUGH, held_out=Counter(bicycle=10, motorcycle=9))}, gates.HELD_OUT_MISSING),
        ({"counts": replace(ENOUGH, held_out=Counter(bicycle=20))}, gates.LABEL_MISSING),
        ({"counts": replace(ENOUGH, learnt=Counter(motorcycle=40))}, gates.LABEL_MISSING),
        ({"past": [past(24 + day) for day in range(4)]}, gates.BUDGET_SPENT),
        ({"past": [past(48, seconds=40 * 3600)]}, gates.BUDGET_SPENT),
        ({"settings": replace(SETTINGS, dollars_a_month=1)}, gates.BUDGET_SPENT),
    ],
)
def test_each_gate_holds(changes: dict[str, object], expected: str) -> None:
    """One thing is missing, and that is what is said."""
    assert code(**changes) == expected


def test_the_month_begins_anew() -> None:
    """Runs of the month before are not this month's."""
    before = [replace(past(0), staged_at=datetime(2026, 10, day, tzinfo=UTC)) for day in range(1, 11)]

    assert code(past=before) is None


def test_the_sentence_says_how_many_are_missing_and_since_when() -> None:
    """Somebody who reads it knows what to do."""
    found = held_back(SETTINGS, [past(48)], replace(ENOUGH, new=38), [], NOW)

    assert found is not None
    assert found.words.startswith(
        "12 more labels are needed: 38 of 50 were given since the last run at 2026-11-19 12:00 UTC."
    )
    assert "vehiclevision review" in found.words


def test_only_a_completed_run_uses_labels_up() -> None:
    """A job that failed learnt from nothing."""
    assert gates.since([past(5, completed=False), past(50), past(90)]) == NOW - timedelta(hours=50)
    assert gates.since([past(5, completed=False)]) is None


def test_a_missing_setting_is_named() -> None:
    """A function that was deployed wrong says so at its start."""
    with pytest.raises(RetrainingError, match="lacks APPLICATION"):
        StackParameters.from_environment({})
