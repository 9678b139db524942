"""The record has one description, and the state machine, the template and the review keep to it."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from cli.display import record_line
from vehiclevision import record
from vehiclevision.record import ClassifiedDetail, Outcome, Record, RecordError

ITEM: dict[str, Any] = {"s3_bucket": {"S": "b"}, "s3_key": {"S": "k"}, "version_id": {"S": "v"}}


@pytest.fixture
def states(root: Path) -> dict[str, Any]:
    """The workflow's states."""
    machine = json.loads((root / "statemachine/classify_vehicle.asl.json").read_text())
    return dict(machine["States"])


def test_the_workflow_writes_exactly_the_fields_of_a_record(states: dict[str, Any]) -> None:
    """A field that is added, renamed or removed in one of the two places only is named here."""
    written = set(states["Record outcome"]["Arguments"]["Item"]) - {record.OBJECT, record.EXPIRES_AT}
    assert list(states["Record vehicle"]["Arguments"]["Item"]) == list(states["Record outcome"]["Arguments"]["Item"])
    described = {field.name for field in dataclasses.fields(Record) if field.default is dataclasses.MISSING}

    assert sorted(written - described) == [], "the state machine writes what Record does not hold"
    assert sorted(described - written) == [], "Record holds what the state machine does not write"


def test_a_review_writes_fields_of_a_record_only(root: Path) -> None:
    """What a person adds are the fields with a default, and the answer that is corrected."""
    source = (root / "monitoring/review.py").read_text()
    written = set(re.findall(r"(?:SET |, |, #)(\w+) = :", source))
    later = {field.name for field in dataclasses.fields(Record) if field.default is not dataclasses.MISSING}

    assert sorted(later - written) == []
    assert sorted(written - {field.name for field in dataclasses.fields(Record)}) == []


def test_the_announcement_says_exactly_what_its_schema_names(states: dict[str, Any]) -> None:
    """Consumers find in record.py what a VehicleClassified event holds."""
    entry = states["Announce vehicle"]["Arguments"]["Entries"][0]

    assert sorted(entry["Detail"]) == sorted(ClassifiedDetail.__annotations__)
    assert (entry["Source"], entry["DetailType"]) == (record.EVENT_SOURCE, record.VEHICLE_CLASSIFIED)


def test_table_and_index_are_called_what_the_template_calls_them(root: Path) -> None:
    """Key, index and expiry of the template's table are those that the readers use, and nobody else spells them."""
    table = yaml_parse((root / "template.yaml").read_text())["Resources"]["ResultsTable"]["Properties"]
    spelt = [
        path.relative_to(root).as_posix()
        for room in ("functions", "monitoring", "retraining", "lifecycle", "cli", "local", "training", "reconciling")
        for path in (root / room).rglob("*.py")
        if record.OUTCOME_INDEX in path.read_text() and path.name != "record.py" and not path.is_symlink()
    ]

    assert [key["AttributeName"] for key in table["KeySchema"]] == [record.OBJECT, record.VERSION_ID]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == [record.OUTCOME_INDEX]
    assert table["TimeToLiveSpecification"]["AttributeName"] == record.EXPIRES_AT
    assert spelt == []


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_reached_shown_and_documented(root: Path, states: dict[str, Any], outcome: Outcome) -> None:
    """The workflow can end so, a terminal has a colour for it, and the README tells what it means."""
    assert f'"outcome": "{outcome}"' in json.dumps(states), "no state ends so"
    assert outcome in record_line(Record.from_item({**ITEM, "outcome": {"S": outcome}}), "photos").plain
    assert outcome.words, "it has no words for people"
    assert f"`{outcome}`" in (root / "README.md").read_text(), "the README does not tell it"


def test_what_an_earlier_release_wrote_is_read() -> None:
    """Fields that came later are None; a CLASSIFIED record of then was announced, and an empty sequencer is none."""
    item = {**ITEM, "outcome": {"S": "CLASSIFIED"}, "recorded_at": {"S": "2026-01-01"}, "sequencer": {"S": ""}}

    read = Record.from_item(item)

    assert (read.announced_at, read.waits_for_announcement) == ("2026-01-01", False)
    assert (read.sequencer, read.decided_by) == (None, None)


def test_an_outcome_of_a_later_release_is_refused_by_name() -> None:
    """Nobody acts on a record that this release does not understand."""
    with pytest.raises(RecordError, match="'ARCHIVED'") as caught:
        Record.from_item({**ITEM, "outcome": {"S": "ARCHIVED"}})

    assert "newer" in caught.value.hint
