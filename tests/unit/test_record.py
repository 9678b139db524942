"""The record has one description, and the state machine, the template and the review keep to it."""

from typing import Any

import pytest

from vehiclevision.record import Record, RecordError

ITEM: dict[str, Any] = {"s3_bucket": {"S": "b"}, "s3_key": {"S": "k"}, "version_id": {"S": "v"}}


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
