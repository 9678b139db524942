"""Gaps are found by joining bucket, table and queue; what closes them is looked at, not believed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from monitoring.holding import Desk
from reconciling import gaps, letters, repair
from reconciling.gaps import Missing
from reconciling.letters import Photo
from reconciling.repair import Parts
from vehiclevision.record import Outcome
from vehiclevision.results import ResultsTable

BUCKET, TABLE = "photos", "results"
NOW = datetime.now(UTC) + timedelta(hours=1)
SINCE = NOW - timedelta(days=30)


class Workflow:
    """Step Functions, where each run does at once what a test wants of it."""

    def __init__(self, parts: "Bench") -> None:
        self.parts = parts
        self.requests: list[dict[str, Any]] = []
        self.outcome: Outcome | None = Outcome.CLASSIFIED

    def start_execution(self, stateMachineArn: str, input: str) -> dict[str, Any]:  # noqa: A002,N803 - boto3's names
        request = json.loads(input)
        self.requests.append(request)
        if self.outcome:
            self.parts.record(request["s3_key"], request.get("version_id", "none"), self.outcome)
        return {"executionArn": f"run-{len(self.requests)}"}

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        return {"status": "SUCCEEDED"} if self.outcome is not Outcome.FAILED else {"status": "FAILED", "error": "Why"}


class Bench:
    """An application whose parts are moto's."""

    def __init__(self) -> None:
        self.s3, self.sqs, self.dynamodb = boto3.client("s3"), boto3.client("sqs"), boto3.client("dynamodb")
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.queue_url = self.sqs.create_queue(QueueName="letters")["QueueUrl"]
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"}
                for name in ("object", "version_id", "outcome", "recorded_at")
            ],
            KeySchema=[
                {"AttributeName": "object", "KeyType": "HASH"},
                {"AttributeName": "version_id", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_outcome",
                    "KeySchema": [
                        {"AttributeName": "outcome", "KeyType": "HASH"},
                        {"AttributeName": "recorded_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        self.results = ResultsTable(self.dynamodb, TABLE)
        self.workflow = Workflow(self)
        self.desk = Desk(self.s3, self.dynamodb, boto3.client("events"), BUCKET, TABLE, "bus")
        self.parts = Parts(self.workflow, self.sqs, self.results, self.desk, "machine", self.queue_url)  # type: ignore[arg-type]

    def upload(self, key: str) -> str:
        return str(self.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")["VersionId"])

    def record(self, key: str, version_id: str, outcome: Outcome, *, told: bool = True, **fields: Any) -> None:
        moment = {"S": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        item = {
            "object": {"S": f"{BUCKET}/{key}"},
            "version_id": {"S": version_id},
            "s3_bucket": {"S": BUCKET},
            "s3_key": {"S": key},
            "outcome": {"S": outcome},
            "recorded_at": moment,
            "announced_at": moment if told and outcome is Outcome.CLASSIFIED else {"NULL": True},
            **fields,
        }
        self.dynamodb.put_item(TableName=TABLE, Item=item)

    def letter(self, key: str, version_id: str | None, error: str = "EndpointMissingError") -> None:
        request = {"s3_bucket": BUCKET, "s3_key": key, "version_id": version_id, "sequencer": "00AA"}
        body = {"source": "aws.states", "detail": {"error": error, "input": json.dumps(request)}}
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps(body))

    def waiting(self) -> int:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def named(self) -> dict[str, Missing]:
        read = list(letters.read(self.sqs, self.queue_url))
        for letter in read:
            letters.put_back(self.sqs, self.queue_url, letter)
        return {gap.photo.key: gap.missing for gap in self.find(read)}

    def find(self, read: list[letters.Letter]) -> list[gaps.Gap]:
        return list(gaps.find(self.s3, self.results, BUCKET, read, since=SINCE, now=NOW))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with mock_aws():
        yield Bench()


def test_each_kind_of_gap_is_named_and_nothing_else(bench: Bench) -> None:
    """Without a record, FAILED, untold, half-reviewed, known by a letter only: five gaps among nine photos."""
    for name in ("lost", "failed", "untold", "half", "fine", "unsure", "refused"):
        version = bench.upload(f"uploads/{name}")
        match name:
            case "failed":
                bench.record(f"uploads/{name}", version, Outcome.FAILED, reason={"S": "EndpointMissingError"})
            case "untold":
                bench.record(f"uploads/{name}", version, Outcome.CLASSIFIED, told=False)
            case "half":
                bench.record(f"uploads/{name}", version, Outcome.NEEDS_REVIEW, reviewed_label={"S": "bicycle"})
            case "fine":
                bench.record(f"uploads/{name}", version, Outcome.CLASSIFIED)
            case "unsure":
                bench.record(f"uploads/{name}", version, Outcome.NEEDS_REVIEW)
            case "refused":
                bench.record(f"uploads/{name}", version, Outcome.REJECTED)
    bench.upload("elsewhere/lost")
    bench.letter("by-hand/letter", "gone")

    assert bench.named() == {
        "uploads/lost": Missing.RECORD,
        "uploads/failed": Missing.OUTCOME,
        "uploads/untold": Missing.ANNOUNCEMENT,
        "uploads/half": Missing.REVIEW,
        "by-hand/letter": Missing.RECORD,
    }
    assert bench.waiting() == 1


def test_what_may_still_be_under_way_is_no_gap(bench: Bench) -> None:
    """A quarter of an hour is left to the run itself."""
    version = bench.upload("uploads/now")
    bench.record("uploads/then", version, Outcome.FAILED)
    soon = datetime.now(UTC) + timedelta(minutes=10)

    assert list(gaps.find(bench.s3, bench.results, BUCKET, [], since=SINCE, now=soon)) == []


def test_a_repair_starts_what_is_missing_and_looks_afterwards(bench: Bench) -> None:
    """Each version is started once, with the order that its letter knows, and is settled in the end."""
    versions = {name: bench.upload(f"uploads/{name}") for name in ("lost", "lettered")}
    bench.letter("uploads/lettered", versions["lettered"])
    read = list(letters.read(bench.sqs, bench.queue_url))

    repaired = list(repair.repair(bench.parts, bench.find(read)))

    assert [each.left for each in repaired] == [None, None]
    assert sorted(bench.workflow.requests, key=lambda request: request["s3_key"]) == [
        {
            "s3_bucket": BUCKET,
            "s3_key": "uploads/lettered",
            "version_id": versions["lettered"],
            "sequencer": "00AA",
        },
        {"s3_bucket": BUCKET, "s3_key": "uploads/lost", "version_id": versions["lost"]},
    ]


def test_a_repair_that_did_not_help_says_so(bench: Bench) -> None:
    """The run failed again: the gap is still there, with the run's own reason."""
    bench.upload("uploads/lost")
    bench.workflow.outcome = Outcome.FAILED

    (repaired,) = repair.repair(bench.parts, bench.find([]))

    assert (repaired.left, repaired.detail) == (Missing.OUTCOME, "Why")


def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    """It says what each letter's photo lacks; the letters can be read again at once."""
    version = bench.upload("uploads/lost")
    bench.letter("uploads/lost", version)
    bench.record("uploads/settled", "v", Outcome.REJECTED)
    bench.letter("uploads/settled", "v")

    first = list(repair.redrive(bench.parts, fix=False))
    second = list(repair.redrive(bench.parts, fix=False))

    assert {each.letter.photo.key: each.missing for each in first if each.letter.photo} == {
        "uploads/lost": Missing.RECORD,
        "uploads/settled": None,
    }
    assert len(second) == 2
    assert (bench.waiting(), bench.workflow.requests) == (2, [])


def test_letters_go_when_their_photo_is_settled_and_not_before(bench: Bench) -> None:
    """Two letters about one photo: one run. What stays unsettled, or names no photo, stays in the queue."""
    version = bench.upload("uploads/lost")
    bench.letter("uploads/lost", version)
    bench.letter("uploads/lost", None)
    bench.sqs.send_message(QueueUrl=bench.queue_url, MessageBody="no letter of ours")

    worked = list(repair.redrive(bench.parts, fix=True))

    assert sorted(each.deleted for each in worked) == [False, True, True]
    assert len(bench.workflow.requests) == 1
    assert bench.waiting() == 1
    bench.letter("uploads/other", "v9")
    bench.workflow.outcome = Outcome.FAILED
    left = [each for each in repair.redrive(bench.parts, fix=True) if each.letter.photo]
    assert [(each.deleted, each.missing, each.detail) for each in left] == [(False, Missing.OUTCOME, "Why")]
    assert bench.waiting() == 2


def test_a_letter_of_a_bucket_without_versions_goes_when_its_photo_is_settled(bench: Bench) -> None:
    """S3 names no version there; its record is that of the version `null`."""
    bench.s3.create_bucket(Bucket="old")
    bench.s3.put_object(Bucket="old", Key="a", Body=b"x")
    bench.record("a", "null", Outcome.REJECTED, object={"S": "old/a"}, s3_bucket={"S": "old"})
    body = {"source": "aws.states", "detail": {"input": json.dumps({"s3_bucket": "old", "s3_key": "a"})}}
    bench.sqs.send_message(QueueUrl=bench.queue_url, MessageBody=json.dumps(body))

    (worked,) = repair.redrive(bench.parts, fix=True)

    assert (worked.deleted, bench.workflow.requests) == (True, [])


def test_a_failure_without_a_version_is_settled_by_a_later_run_that_has_one(bench: Bench) -> None:
    """Started by hand for the newest version, it failed before anybody knew which that is."""
    version = bench.upload("uploads/a")
    bench.record("uploads/a", version, Outcome.REJECTED)
    bench.record("uploads/a", "none", Outcome.FAILED, recorded_at={"S": "2026-01-01T00:00:00.000Z"})
    old = datetime(2025, 12, 31, tzinfo=UTC)

    assert list(gaps.find(bench.s3, bench.results, BUCKET, [], since=old, now=NOW)) == []
    bench.record("uploads/a", "none", Outcome.FAILED)
    assert bench.named() == {"uploads/a": Missing.OUTCOME}


def test_a_request_to_the_workflow_says_only_what_is_known() -> None:
    """What nobody knows is left out, as if it had been typed."""
    assert repair.request_of(Photo("b", "k")) == {"s3_bucket": "b", "s3_key": "k"}


def test_a_letter_that_others_see_again_is_no_fault(bench: Bench) -> None:
    """Runs were waited for longer than letters are hidden: SQS refuses to show what it shows already."""

    def refuse(**_: object) -> None:
        raise bench.sqs.exceptions.MessageNotInflight(
            {"Error": {"Code": "AWS.SimpleQueueService.MessageNotInflight"}}, ""
        )

    bench.sqs.meta.events.register("before-call.sqs.ChangeMessageVisibility", refuse)
    for name in ("one", "two"):
        bench.letter(f"uploads/{name}", bench.upload(f"uploads/{name}"))

    worked = list(repair.redrive(bench.parts, fix=False))

    assert [(each.missing, each.deleted) for each in worked] == [(Missing.RECORD, False)] * 2
