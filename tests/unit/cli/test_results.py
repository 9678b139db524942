"""Reading the results table: newest first, by key, by ending, by outcome."""

import time
from typing import Any

import pytest

from cli.commands import results
from cli.target import Target
from console.story import find_run
from tests.unit.cli.answers import Called, known
from tests.unit.cli.recorded import put_record
from vehiclevision.record import Outcome
from vehiclevision.results import MAX_KEYS_PER_CALL


def _at(minute: int) -> dict[str, str]:
    return {"S": f"2026-11-21T10:{minute:02}:00.000Z"}


def _keys(target: Target, called: Called, **options: Any) -> list[Any]:
    answer = called(lambda: results.command(application=known(target), as_json=True, **options))
    return [(line["s3_key"], line["version_id"]) for line in answer.json_lines()]


def test_the_newest_come_first_over_all_outcomes(deployed: Target, called: Called) -> None:
    """The list runs by time of record, whatever the outcome, and stops at the limit."""
    for minute, outcome in enumerate([*Outcome, *Outcome]):
        put_record(deployed, f"uploads/{minute}.jpg", "1", outcome, recorded_at=_at(minute))

    assert _keys(deployed, called, limit=3) == [(f"uploads/{minute}.jpg", "1") for minute in (7, 6, 5)]
    assert len(_keys(deployed, called)) == 8


def test_one_outcome_can_be_picked(deployed: Target, called: Called) -> None:
    """With an outcome only such records are listed, with a key as well as without."""
    put_record(deployed, "uploads/a.jpg", "1", "REJECTED")
    put_record(deployed, "uploads/a.jpg", "2", "CLASSIFIED")

    assert _keys(deployed, called, outcome=Outcome.REJECTED) == [("uploads/a.jpg", "1")]
    assert _keys(deployed, called, key="a.jpg", outcome=Outcome.CLASSIFIED) == [("uploads/a.jpg", "2")]


def test_a_photo_of_another_bucket_is_named_by_its_address(deployed: Target, called: Called) -> None:
    """A backfill went through that bucket, and the own one has a photo of the same key."""
    put_record(deployed, "uploads/a.jpg", "own")
    there: dict[str, Any] = {"object": {"S": "old/uploads/a.jpg"}, "s3_bucket": {"S": "old"}}
    put_record(deployed, "uploads/a.jpg", "null", **there)

    assert _keys(deployed, called, key="s3://old/uploads/a.jpg") == [("uploads/a.jpg", "null")]
    assert _keys(deployed, called, key="uploads/a.jpg") == [("uploads/a.jpg", "own")]
    assert find_run(deployed, "s3://old/uploads/a.jpg").record == deployed.results.one("old", "uploads/a.jpg", "null")


def test_a_key_shows_all_its_versions(deployed: Target, called: Called) -> None:
    """A whole key, or one without uploads/, gives each recorded version of that object and no other."""
    for minute, version in enumerate(("old", "newer", "newest")):
        put_record(deployed, "uploads/a.jpg", version, recorded_at=_at(minute))
    put_record(deployed, "uploads/sub/a.jpg", "other", recorded_at=_at(9))

    expected = [("uploads/a.jpg", version) for version in ("newest", "newer", "old")]
    assert _keys(deployed, called, key="uploads/a.jpg") == expected
    assert _keys(deployed, called, key="a.jpg") == expected


def test_an_ending_finds_what_ends_so(deployed: Target, called: Called) -> None:
    """A file name in a folder, or any ending, is searched for; a match in the middle of a key is none."""
    put_record(deployed, "uploads/sub/a.jpg", "1", recorded_at=_at(1))
    put_record(deployed, "uploads/sub/b.jpg", "1", "REJECTED", recorded_at=_at(2))
    put_record(deployed, "uploads/a.jpg.txt", "1", recorded_at=_at(3))

    assert _keys(deployed, called, key="sub/a.jpg") == [("uploads/sub/a.jpg", "1")]
    assert _keys(deployed, called, key=".jpg") == [("uploads/sub/b.jpg", "1"), ("uploads/sub/a.jpg", "1")]
    assert _keys(deployed, called, key="nothing.jpg") == []


@pytest.mark.parametrize(
    ("options", "minutes"),
    [
        ({"text": "2.J"}, [2]),
        ({"label": "motorcycle"}, [2]),
        ({"least": 0.6, "most": 0.8}, [3]),
        ({"since": "2026-11-21T10:02", "until": "2026-11-21T11:03+01:00"}, [2]),
        ({"key": "3.jpg", "until": "2026-11-21"}, []),
        ({"limit": 2, "page": 2}, [1, 0]),
    ],
    ids=str,
)
def test_filters_are_those_of_the_page(
    deployed: Target, called: Called, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], minutes: list[int]
) -> None:
    """Part of a name, what it shows, how sure, when by the clock here, and one page after another."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for minute in range(4):
        label, confidence = "motorcycle" if minute == 2 else "bicycle", "0.7" if minute == 3 else "0.93"
        fields = {"recorded_at": _at(minute), "label": {"S": label}, "confidence": {"N": confidence}}
        put_record(deployed, f"uploads/{minute}.jpg", "1", Outcome.CLASSIFIED, **fields)

    assert _keys(deployed, called, **options) == [(f"uploads/{minute}.jpg", "1") for minute in minutes]


def test_it_says_that_there_are_more(deployed: Target, called: Called) -> None:
    """After a full page and at no other, on standard error, where no program reads it as a record."""
    for minute in range(3):
        put_record(deployed, f"uploads/{minute}.jpg", "1", recorded_at=_at(minute))

    full = called(lambda: results.command(application=known(deployed), limit=2, as_json=True))
    last = called(lambda: results.command(application=known(deployed), limit=2, page=2, as_json=True))

    assert "--page 2" in full.err
    assert (len(last.json_lines()), last.err) == (1, "")


def test_json_holds_plain_values(deployed: Target, called: Called) -> None:
    """Numbers are numbers, what is absent is null, and no DynamoDB type names remain."""
    put_record(deployed, "uploads/a.jpg", "1")

    (line,) = called(lambda: results.command(application=known(deployed), as_json=True)).json_lines()

    assert line["confidence"] == 0.93
    assert line["inferences"] == [0.93, 0.02]
    assert line["measurements"] == {"width": 640, "format": "JPEG", "sharpness": 0.1}
    assert line["reason"] is None
    assert line["uploaded_at"] is None


def test_the_table_fits_a_terminal(deployed: Target, called: Called) -> None:
    """A record with a short key takes at most 80 columns."""
    put_record(deployed, "uploads/a.jpg", "1", label={"S": "motorcycle"}, route={"S": "distant"})

    answer = called(lambda: results.command(application=known(deployed)))

    assert "motorcycle 0.93 distant" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80


def test_look_up_takes_more_keys_than_a_call_does(deployed: Target) -> None:
    """Keys beyond a hundred go into further calls, and what is not there is not returned."""
    wanted = [(f"uploads/{number}.jpg", "1") for number in range(MAX_KEYS_PER_CALL + 20)]
    for key, version in wanted[::2]:
        put_record(deployed, key, version)

    found = deployed.results.look_up(deployed.output("BucketName"), wanted)

    assert set(found) == set(wanted[::2])
