"""Captured data in S3: what is listed, what is read, and what happens when neither goes well."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ResponseStreamingError
from botocore.response import StreamingBody
from moto import mock_aws

from monitoring.captures.reader import Tally, read
from monitoring.captures.record import Captured
from monitoring.captures.sharing import Reading
from monitoring.captures.source import ALL, Bucket, Selection, Window, open_source
from monitoring.errors import SourceError
from monitoring.summary import summarise
from tests.unit.monitoring.capture_lines import NOON, key, line, lines, record, write

BUCKET = "captures"
HOUR = timedelta(hours=1)


@pytest.fixture
def s3() -> Iterator[Any]:
    """An S3 with one bucket."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


class Watched:
    """An S3 client that remembers what was asked of it, and lets something happen first."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.listed: list[str] = []
        self.got: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> Any:
        paginator, listed = self._client.get_paginator(name), self.listed

        class Paginator:
            def paginate(self, **options: Any) -> Any:
                listed.append(options["Prefix"])
                return paginator.paginate(**options)

        return Paginator()

    def get_object(self, **options: Any) -> Any:
        self.got.append(options)
        return self._client.get_object(**options)


class Breaking(Watched):
    """Every answer breaks off after some bytes, as often as is said."""

    def __init__(self, client: Any, after: int, times: int) -> None:
        super().__init__(client)
        self._after, self._times = after, times
        self.between: Callable[[], None] = lambda: None

    def get_object(self, **options: Any) -> Any:
        if self.got:
            self.between()
        found = super().get_object(**options)
        if self._times:
            self._times -= 1
            length: Any = None
            found["Body"] = StreamingBody(_BreakingStream(found["Body"].read(), self._after), length)
        return found


class _BreakingStream(io.BytesIO):
    def __init__(self, content: bytes, after: int) -> None:
        super().__init__(content)
        self._after = after

    def read(self, amount: int | None = -1, /) -> bytes:
        if self.tell() >= self._after:
            raise ResponseStreamingError(error="connection reset")
        return super().read(min(amount or self._after, self._after - self.tell()))

    def close(self) -> None:
        """As urllib3's, it may be asked afterwards."""


def put(s3: Any, name: str, content: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=name, Body=content)


def ids(source: Any, selection: Selection = ALL, tally: Tally | None = None) -> list[str]:
    found = read(source, selection, tally)
    return [each.event_id if isinstance(each, Captured) else each.reason for each in found]


def fill(s3: Any, hours: range, endpoint: str = "vehiclevision", variant: str = "AllTraffic") -> None:
    for hour in hours:
        at = NOON + hour * HOUR
        put(
            s3,
            f"capture/{key(at, 'a', endpoint, variant)}",
            line(record(None, at=at, event_id=f"{endpoint}{hour:+}")),
        )


def test_all_objects_below_a_prefix_are_read(s3: Any) -> None:
    """The prefix is a folder or a whole key, not the beginning of a name; markers of folders are no files."""
    fill(s3, range(3))
    put(s3, "capture/", b"")
    put(s3, "elsewhere/a.jsonl", lines(1)[0])
    put(s3, "capture-old/a.jsonl", lines(1)[0])

    assert ids(open_source(f"s3://{BUCKET}/capture", s3)) == [f"vehiclevision+{hour}" for hour in range(3)]
    assert ids(open_source(f"s3://{BUCKET}/elsewhere/a.jsonl", s3)) == ["event-0"]
    assert len(ids(open_source(f"s3://{BUCKET}", s3))) == 5


def test_with_a_window_only_its_days_and_hours_are_listed(s3: Any) -> None:
    """Forty days of data, and some hours' window: no other month is looked at, and the same records are found."""
    fill(s3, range(-24 * 40, 24, 7))
    watched = Watched(s3)
    window = Window(NOON - 3 * HOUR, NOON + 5 * HOUR)

    found = ids(Bucket(cast(Any, watched), BUCKET, "capture/"), Selection(window))

    everything = [each for each in read(Bucket(s3, BUCKET, "capture/")) if isinstance(each, Captured)]
    inside = {each.event_id for each in everything if each.at and each.at in window}
    assert inside
    assert inside <= set(found) <= {each.event_id for each in everything if each.at and abs(each.at - NOON) <= 6 * HOUR}
    assert len(watched.listed) < 20
    assert not [prefix for prefix in watched.listed if "/2026/10" in prefix]


def test_a_window_of_days_lists_each_whole_day_once(s3: Any) -> None:
    """Days that lie inside the window are listed as a whole, not hour by hour."""
    fill(s3, range(-24 * 10, 24 * 10, 5))
    watched = Watched(s3)
    window = Window(NOON - timedelta(days=4), NOON + timedelta(days=4))

    found = ids(Bucket(cast(Any, watched), BUCKET, "capture"), Selection(window))

    assert {int(name[13:]) for name in found} >= {hour for hour in range(-240, 240, 5) if -96 <= hour < 96}
    assert len([prefix for prefix in watched.listed if prefix.count("/") == 6 + 1]) <= 2 * 24


@pytest.mark.parametrize("prefix", ["", "capture", "capture/", "capture/two/", "capture/two/AllTraffic/2026/"])
def test_an_endpoint_and_a_variant_may_be_named(s3: Any, prefix: str) -> None:
    """What belongs to others is not read, from whatever level the search begins."""
    for endpoint, variant in (("one", "AllTraffic"), ("two", "AllTraffic"), ("two", "Shadow")):
        fill(s3, range(3), endpoint, variant)
    watched = Watched(s3)

    found = ids(Bucket(cast(Any, watched), BUCKET, prefix), Selection(endpoint="two", variant="AllTraffic"))

    assert found == ["two+0", "two+1", "two+2"]
    assert len(watched.got) == 3


def test_years_that_are_none_are_looked_into(s3: Any) -> None:
    """An endpoint may be called 2023, and folders may be named as no date can be."""
    fill(s3, range(1), "2023")
    put(s3, "capture/e/v/2026/00/a.jsonl", line(record(None, event_id="odd", at=NOON)))
    put(s3, "capture/e/v/0000/a.jsonl", line(record(None, event_id="year", at=NOON)))

    found = ids(Bucket(s3, BUCKET, "capture/"), Selection(Window(NOON, NOON + HOUR)))

    assert sorted(found) == ["2023+0", "odd", "year"]


def test_an_object_that_vanishes_after_listing_is_counted(s3: Any) -> None:
    """A lifecycle rule may be faster than the reader."""
    fill(s3, range(2))
    source, tally = Bucket(s3, BUCKET, "capture/"), Tally()
    files = list(source.files(ALL))
    s3.delete_object(Bucket=BUCKET, Key=files[0].name)

    class Stale(Bucket):
        def files(self, selection: Selection) -> Any:
            return iter(files)

    assert ids(Stale(s3, BUCKET, "capture/"), ALL, tally) == ["vehiclevision+1"]
    assert (tally.files, tally.files_vanished) == (1, 1)


@pytest.mark.parametrize("after", [0, 1, 1000, 5000])
def test_a_broken_connection_is_taken_up_where_it_broke(s3: Any, after: int) -> None:
    """No line is lost and none is read twice."""
    put(s3, "a.jsonl", b"\n".join(lines(20)))
    breaking = Breaking(s3, after, times=3)

    assert ids(Bucket(cast(Any, breaking), BUCKET, "")) == [f"event-{number}" for number in range(20)]
    assert len(breaking.got) == 4
    assert all("IfMatch" in each for each in breaking.got[1:]) == (after > 0)


def test_an_object_replaced_in_between_is_not_mixed_up(s3: Any) -> None:
    """Half of the old and half of the new file would be neither: the rest counts as one line that vanished."""
    put(s3, "a.jsonl", b"\n".join(lines(20)))
    breaking, tally = Breaking(s3, 9000, times=1), Tally()
    breaking.between = lambda: put(s3, "a.jsonl", b"\n".join(lines(19)))

    found = ids(Bucket(cast(Any, breaking), BUCKET, ""), ALL, tally)

    assert found == ["event-0", "event-1", "vanished"]
    assert (tally.files, tally.files_vanished) == (1, 1)


def test_a_connection_that_keeps_breaking_is_an_error_in_words(s3: Any) -> None:
    """It is taken up three times, and then somebody has to look."""
    put(s3, "a.jsonl", b"\n".join(lines(20)))

    with pytest.raises(SourceError, match=r"a\.jsonl cannot be read"):
        ids(Bucket(cast(Any, Breaking(s3, 100, times=99)), BUCKET, ""))


def test_a_bucket_that_is_none_is_an_error_in_words(s3: Any) -> None:
    """It names the bucket and what to check."""
    with pytest.raises(SourceError, match="s3://nowhere/x cannot be listed: NoSuchBucket") as caught:
        ids(open_source("s3://nowhere/x", s3))

    assert "bucket" in caught.value.hint


def test_a_network_that_is_none_is_an_error_in_words() -> None:
    """No trace of the SDK's own exceptions is left."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:9", config=config, region_name="us-east-1")

    with pytest.raises(SourceError, match="S3 cannot be reached"):
        ids(open_source("s3://captures/x", client))


def test_objects_are_read_side_by_side_and_each_once(s3: Any) -> None:
    """Eight readers share the files; progress ends with all bytes."""
    content = b"\n".join(lines(30)) + b"\n"
    for number in range(25):
        put(s3, f"{number:03}.jsonl", content)
    seen: list[tuple[int, int]] = []
    reading = Reading(open_source(f"s3://{BUCKET}", s3), ALL, lambda done, found: seen.append((done, found)))

    blocks = [block for batch in reading.batches() for block in batch]

    assert sum(block.lines.count(b"\n") for block in blocks) == 25 * 30
    assert len({block.origin for block in blocks}) == 25
    assert seen[-1] == (25 * len(content), 25 * len(content))
    assert reading.tally.files == 25


def test_a_bucket_and_a_folder_with_the_same_files_give_the_same_summary(s3: Any, tmp_path: Path) -> None:
    """Wherever the files lie, and however many read them and count."""
    for number, each in enumerate(lines(60)):
        write(tmp_path, NOON, f"{number // 10}-{number}", each)
        put(s3, key(NOON, f"{number // 10}-{number}"), each)

    here = summarise(open_source(str(tmp_path)), threshold=0.8)
    there = summarise(open_source(f"s3://{BUCKET}", s3), threshold=0.8, workers=2)

    assert (here.files, here.records_read, here.total, here.endpoints) == (60, 60, there.total, there.endpoints)
    assert here.sample.digest == there.sample.digest
    assert here.least_sure == there.least_sure


def test_what_goes_wrong_in_one_reader_ends_the_reading(s3: Any) -> None:
    """An error in a thread is no silence."""
    for number in range(20):
        put(s3, f"{number:03}.jsonl", lines(1)[0])

    with pytest.raises(SourceError):
        list(Reading(Bucket(cast(Any, Breaking(s3, 10, times=9999)), BUCKET, ""), ALL).batches())


def test_archived_objects_are_refused_and_counted(s3: Any) -> None:
    """One object in Glacier does not keep the others from being read; nothing but such objects is an error."""
    fill(s3, range(1))
    s3.put_object(Bucket=BUCKET, Key="capture/old.jsonl", Body=lines(1)[0], StorageClass="GLACIER")
    tally = Tally()

    assert ids(open_source(f"s3://{BUCKET}/capture/", s3), ALL, tally) == ["vehiclevision+0"]
    assert (tally.files, tally.files_refused) == (1, 1)
    with pytest.raises(SourceError, match="None of the files"):
        list(Reading(open_source(f"s3://{BUCKET}/capture/old.jsonl", s3), ALL).batches())
