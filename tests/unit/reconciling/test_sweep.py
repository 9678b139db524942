"""The scheduled join: each gap is found once, remembered until it is closed, and no break loses one."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lifecycle.templates import parsed
from reconciling import gaps, sweep
from reconciling.gaps import Missing
from reconciling.ledger import Ledger, MovedMeanwhileError
from reconciling.sweep import Parts
from tests.unit.reconciling.test_repair import BUCKET, Bench
from vehiclevision.record import Outcome
from vehiclevision.results import ResultsTable

# All that a test uploads is older than a run can take by then.
LATER = datetime.now(UTC) + timedelta(hours=1)
LEDGER = "ledger"


class Paged:
    """S3 that lists two versions a page, some of them with another time than moto's."""

    def __init__(self, s3: Any) -> None:
        self.s3, self.times = s3, dict[str, datetime]()

    def list_object_versions(self, **arguments: Any) -> Any:
        page = self.s3.list_object_versions(**arguments, MaxKeys=2)
        for version in page.get("Versions", []):
            version["LastModified"] = self.times.get(version["Key"], version["LastModified"])
        return page

    def get_paginator(self, name: str) -> Any:
        return self.s3.get_paginator(name)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with mock_aws():
        yield Bench()


@pytest.fixture
def parts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """The first sweep looks two days back: two steps for records, and then the pages."""
    monkeypatch.setattr(sweep, "FIRST_LOOK", timedelta(days=2))
    boto3.client("dynamodb").create_table(
        TableName=LEDGER,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("kind", "name")],
        KeySchema=[{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}],
    )
    return Parts(Paged(bench.s3), bench.results, Ledger(bench.dynamodb, LEDGER), BUCKET)  # type: ignore[arg-type]


def join(parts: Parts, *, hours: int = 0, seconds: Callable[[], float] = lambda: 900.0) -> dict[str, str]:
    """One run; what is open then."""
    swept = sweep.sweep(parts, LATER + timedelta(hours=hours), seconds)
    return {gap.photo.key: gap.missing for gap in swept.open}


def steps(count: int) -> Callable[[], float]:
    """Time for so many steps and no more."""
    left = iter([900.0] * count)
    return lambda: next(left, 0.0)


def test_gaps_of_uploads_and_records_are_found_and_the_rest_is_left_alone(bench: Bench, parts: Parts) -> None:
    """Without a record, FAILED, untold; settled ones, other folders and what is young are no gaps."""
    bench.upload("uploads/lost")
    bench.upload("elsewhere/lost")
    for name, outcome in (("fine", Outcome.CLASSIFIED), ("failed", Outcome.FAILED), ("refused", Outcome.REJECTED)):
        bench.record(f"uploads/{name}", bench.upload(f"uploads/{name}"), outcome)
    bench.record("uploads/untold", bench.upload("uploads/untold"), Outcome.CLASSIFIED, told=False)

    young = sweep.sweep(parts, datetime.now(UTC) + timedelta(minutes=5), lambda: 900.0)
    found = join(parts)

    assert young.open == ()
    assert found == {
        "uploads/lost": Missing.RECORD,
        "uploads/failed": Missing.OUTCOME,
        "uploads/untold": Missing.ANNOUNCEMENT,
    }


def test_no_photo_is_looked_for_whose_record_has_expired(root: Path) -> None:
    """Each would count as lost until its file expires, and whoever mends that would announce it anew."""
    parameter = parsed((root / "template.yaml").read_text("utf-8"))["Parameters"]["ResultsRetentionDays"]

    assert timedelta(days=parameter["MinValue"]) > sweep.FIRST_LOOK


def test_an_open_gap_is_told_until_it_is_closed(bench: Bench, parts: Parts) -> None:
    """The join has long moved on, and still counts it; a record, or the version's deletion, closes it."""
    settled, deleted = bench.upload("uploads/settled"), bench.upload("uploads/deleted")
    join(parts)

    assert join(parts, hours=5) == dict.fromkeys(("uploads/settled", "uploads/deleted"), Missing.RECORD)
    bench.record("uploads/settled", settled, Outcome.REJECTED)
    assert join(parts, hours=6) == {"uploads/deleted": Missing.RECORD}
    bench.s3.delete_object(Bucket=BUCKET, Key="uploads/deleted", VersionId=deleted)
    assert join(parts, hours=7) == {}


def test_a_failure_without_a_version_is_closed_by_a_later_run_that_has_one(bench: Bench, parts: Parts) -> None:
    """The record of the first stays FAILED for as long as records are kept."""
    bench.record("uploads/a", "none", Outcome.FAILED)
    assert join(parts) == {"uploads/a": Missing.OUTCOME}

    bench.record("uploads/a", bench.upload("uploads/a"), Outcome.REJECTED)

    assert join(parts, hours=1) == {}


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_a_run_goes_on_where_the_last_one_ended(bench: Bench, parts: Parts, count: int) -> None:
    """Whatever it had time for, among the days of records or the pages of versions: nothing is left out."""
    names = {f"uploads/{number}" for number in range(9)}
    for name in names:
        bench.upload(name)

    first = join(parts, seconds=steps(count))
    later = join(parts, hours=1)

    assert first.keys() <= later.keys() == names


def test_what_was_uploaded_while_a_sweep_went_on_is_found_by_the_next(bench: Bench, parts: Parts) -> None:
    """Its key lies before the page that the sweep has come to."""
    for number in range(5, 9):
        bench.upload(f"uploads/{number}")
    assert len(join(parts, seconds=steps(3))) == 2
    bench.upload("uploads/0")
    parts.s3.times["uploads/0"] = LATER  # type: ignore[attr-defined]

    join(parts, hours=1)

    assert "uploads/0" in join(parts, hours=2)


@pytest.mark.parametrize("at", ["open", "move"])
def test_a_run_that_died_after_it_found_a_gap_finds_it_again(bench: Bench, parts: Parts, at: str) -> None:
    """Before or after it wrote the gap: the position moves last, and writing a gap twice does no harm."""
    bench.upload("uploads/lost")

    class Dying(Ledger):
        def open(self, gap: Any) -> Any:
            if at == "open":
                raise KeyboardInterrupt
            return super().open(gap)

        def move(self, position: Any) -> Any:
            if at == "move" and position.since == position.until:
                raise KeyboardInterrupt
            return super().move(position)

    with pytest.raises(KeyboardInterrupt):
        join(Parts(parts.s3, parts.results, Dying(bench.dynamodb, LEDGER), BUCKET))

    assert join(parts) == {"uploads/lost": Missing.RECORD}
    assert len(list(parts.ledger.photos(BUCKET))) == 1


def test_of_two_runs_at_once_one_goes_on(bench: Bench, parts: Parts) -> None:
    """The position moves only from where it was seen; the other run ends by name."""
    join(parts)
    seen = parts.ledger.position()
    assert seen is not None
    parts.ledger.move(seen)

    with pytest.raises(MovedMeanwhileError):
        parts.ledger.move(seen)


def test_with_too_many_gaps_open_it_stays_where_it_is(
    bench: Bench, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies behind is found when they are closed: the ledger stays small, and nothing is forgotten."""
    versions = {name: bench.upload(name) for name in (f"uploads/{number}" for number in range(4))}
    monkeypatch.setattr(sweep, "MOST_OPEN", 2)

    assert len(join(parts)) == 2
    for name in ("uploads/0", "uploads/1"):
        bench.record(name, versions[name], Outcome.REJECTED)
    assert set(join(parts, hours=1)) == {"uploads/2", "uploads/3"}


def test_only_new_versions_are_looked_up(bench: Bench, parts: Parts) -> None:
    """What the sweep before has joined is listed and no more."""
    for number in range(6):
        bench.record(f"uploads/{number}", bench.upload(f"uploads/{number}"), Outcome.REJECTED)
    join(parts)
    bench.dynamodb.delete_table(TableName="results")
    calls: list[Any] = []

    class Counting:
        def look_up(self, _: str, versions: Any) -> Any:
            calls.extend(versions)
            return {}

        def unfinished(self, _: Any) -> Any:
            return iter(())

    join(Parts(parts.s3, Counting(), parts.ledger, BUCKET), hours=2)  # type: ignore[arg-type]

    assert calls == []


def test_what_a_look_up_leaves_out_is_read_by_itself(bench: Bench, parts: Parts) -> None:
    """DynamoDB may answer for a part only, or with what was there a second ago: no gap is made of that."""
    bench.record("uploads/fine", bench.upload("uploads/fine"), Outcome.CLASSIFIED)

    class Forgetful(ResultsTable):
        def look_up(self, bucket: str, versions: Any) -> Any:
            return {}

    assert join(Parts(parts.s3, Forgetful(bench.dynamodb, "results"), parts.ledger, BUCKET)) == {}


def test_a_failure_in_another_bucket_is_named_by_the_command_only(bench: Bench, parts: Parts) -> None:
    """A backfill left it: `reconcile` names it with its bucket, and the join opens no gap that it cannot close."""
    other: dict[str, Any] = {"s3_bucket": {"S": "other"}, "object": {"S": "other/old/failed"}}
    bench.record("old/failed", "null", Outcome.FAILED, **other)

    named = gaps.of_records(bench.results, LATER - timedelta(days=1), LATER)

    assert [(gap.photo.bucket, gap.photo.key, gap.missing) for gap in named] == [
        ("other", "old/failed", Missing.OUTCOME)
    ]
    assert join(parts) == {}


def test_an_upload_in_parts_is_found_though_it_is_as_old_as_its_beginning(bench: Bench, parts: Parts) -> None:
    """It was begun before the last sweep and finished after it; S3 dates it by its beginning."""
    join(parts)
    upload = bench.s3.create_multipart_upload(Bucket=BUCKET, Key="uploads/slow")["UploadId"]
    name: dict[str, Any] = {"Bucket": BUCKET, "Key": "uploads/slow", "UploadId": upload}
    part = bench.s3.upload_part(**name, PartNumber=1, Body=b"x")
    bench.s3.complete_multipart_upload(**name, MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]})
    parts.s3.times["uploads/slow"] = LATER - timedelta(hours=47)  # type: ignore[attr-defined]

    assert join(parts, hours=24) == {"uploads/slow": Missing.RECORD}
