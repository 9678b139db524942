"""Photos that were lost from sight on the real application: found, put right, and nothing of it twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cli import samples
from cli.reconciling import parts_of
from cli.target import local_target
from reconciling import gaps, letters, repair
from reconciling.gaps import Gap, Missing
from tests.workflow.driver import Application
from vehiclevision.record import Outcome

BICYCLE = next(sample.content for sample in samples.of() if sample.label == "bicycle")


@pytest.fixture
def deaf(application: Application) -> Iterator[None]:
    """The rule that starts the workflow is switched off, as somebody did by hand."""
    events = application.client("events")
    rule = next(each["Name"] for each in events.list_rules()["Rules"] if "uploads/" in each.get("EventPattern", ""))
    events.disable_rule(Name=rule)
    yield
    events.enable_rule(Name=rule)


def left(application: Application) -> list[Gap]:
    """What is missing of this file's photos, as it will be seen in an hour: other tests leave gaps of their own."""
    target, now = local_target(application.aws), datetime.now(UTC) + timedelta(hours=1)
    parts = parts_of(target)
    read = list(letters.read(parts.sqs, parts.queue_url))
    for letter in read:
        letters.put_back(parts.sqs, parts.queue_url, letter)
    since = now - timedelta(days=1)
    missing = gaps.find(target.client("s3"), target.results, application.bucket, read, since=since, now=now)
    return [gap for gap in missing if gap.photo.key.startswith("uploads/reconciled/")]


@pytest.mark.usefixtures("deaf")
def test_lost_photos_are_found_and_put_right(application: Application) -> None:
    """One that started no run, one that nobody was told of: both are announced once, and then there is no gap."""
    parts = parts_of(local_target(application.aws))
    settled = application.upload("uploads/reconciled/untold.jpg", BICYCLE)
    untold = {"s3_bucket": application.bucket, "s3_key": "uploads/reconciled/untold.jpg", "version_id": settled}
    application.finished(application.start(untold))
    application.announced("uploads/reconciled/untold.jpg")
    application.noted("uploads/reconciled/untold.jpg", settled)
    application.forget_the_note("uploads/reconciled/untold.jpg", settled)
    unstarted = application.upload("uploads/reconciled/unstarted.jpg", BICYCLE)

    lost = left(application)

    assert {gap.photo.key.rpartition("/")[2]: gap.missing for gap in lost} == {
        "untold.jpg": Missing.ANNOUNCEMENT,
        "unstarted.jpg": Missing.RECORD,
    }
    assert [each.left for each in repair.repair(parts, lost)] == [None, None]
    assert left(application) == []
    first, second = application.announced("uploads/reconciled/untold.jpg", at_least=2)
    assert first["detail"]["announcement_id"] == second["detail"]["announcement_id"]
    (only,) = application.announced("uploads/reconciled/unstarted.jpg")
    assert (only["detail"]["version_id"], only["detail"]["sequencer"]) == (unstarted, None)


@pytest.mark.usefixtures("deaf")
def test_a_letter_goes_when_its_photo_is_settled(application: Application) -> None:
    """An upload whose event lies in the queue: the dry run changes nothing, the redrive keeps its order and its id."""
    key = "uploads/reconciled/lettered.jpg"
    version = application.upload(key, BICYCLE)
    body = f'''{{"source": "aws.s3", "id": "e-1", "detail": {{"bucket": {{"name": "{application.bucket}"}},
        "object": {{"key": "{key}", "version-id": "{version}", "sequencer": "00AB"}}}}}}'''
    queue = application.outputs["DeadLetterQueueUrl"]
    application.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    parts = parts_of(local_target(application.aws))

    dry = [each for each in repair.redrive(parts, fix=False) if each.letter.photo and each.letter.photo.key == key]
    assert [(each.missing, each.deleted) for each in dry] == [(Missing.RECORD, False)]
    assert application.record(key, version, wait=False) is None

    wet = [each for each in repair.redrive(parts, fix=True) if each.letter.photo and each.letter.photo.key == key]
    assert [(each.missing, each.deleted) for each in wet] == [(None, True)]
    record = application.record(key, version)
    assert record is not None
    assert (record["outcome"], record["sequencer"], record["correlation_id"]) == (Outcome.CLASSIFIED, "00AB", "e-1")
    assert not [letter for letter in application.dead_letters() if key in str(letter)]
