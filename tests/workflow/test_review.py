"""A person decides an unsure photo: on the real application, from the listing to the consumer."""

import json

import pytest

from cli.target import local_target
from console.deployed import desk_of
from erasing.traces import Kind
from monitoring import labels
from monitoring.review import decide, waiting
from tests.unit.pictures import encoded, quarters
from tests.workflow.driver import Application
from tests.workflow.test_command import Command
from vehiclevision.image_gate import normalise

KEY = "uploads/to-review.png"
UNSURE = encoded(quarters(90), "PNG")


def test_an_unsure_photo_is_decided_by_a_person(application: Application) -> None:
    """It waits, is labelled, is announced with a route, waits no longer, and can be learnt from."""
    record = application.outcome(KEY, UNSURE)
    assert record["outcome"] == "NEEDS_REVIEW"
    target = local_target(application.aws)
    table, desk = target.results, desk_of(target)
    [undecided] = [record for record in waiting(table, sure=False) if record.s3_key == KEY]

    decide(desk, undecided, "bicycle")

    [event] = application.announced(KEY)
    assert (event["detail-type"], event["detail"]["label"], event["detail"]["route"]) == (
        "VehicleReviewed",
        "bicycle",
        "nearby",
    )
    now = application.record(KEY, record["version_id"])
    assert now is not None
    assert (now["outcome"], now["label"], now["decided_by"]) == ("CLASSIFIED", "bicycle", "human")
    assert KEY not in [found.s3_key for found in waiting(table, sure=False)]
    digest = labels.digest_of(normalise(UNSURE).jpeg)
    found = labels.read(f"s3://{application.bucket}/{labels.PREFIX}", application.client("s3"))
    assert found.drawn[digest] == "bicycle"


@pytest.mark.parametrize("name", ["\x1b[31m\x01.png", "a b+c%20d%2F\n\r.png"])
def test_a_photo_of_any_name_is_erased(application: Application, name: str) -> None:
    """S3 takes keys that no XML can hold and tells them all the same, to whoever asks for them encoded."""
    key = f"uploads/{name}"
    application.finished(application.outcome(key, UNSURE)["execution"])
    if "%" in name:  # the answer to this names the key, and cannot be asked to encode it
        application.client("s3").create_multipart_upload(Bucket=application.bucket, Key=key)

    run = Command(application.aws.state_dir)("erase", name, "--yes", "--json")

    assert run.returncode == 0, run.stdout + run.stderr
    said = json.loads(run.stdout)
    assert {each["kind"] for each in said["erased"]} >= {Kind.VERSION, Kind.RECORD}
    assert (Kind.UPLOAD in {each["kind"] for each in said["erased"]}) is ("%" in name)
    assert said["left"] == []


def test_a_photo_is_erased_from_everywhere(application: Application) -> None:
    """Version, record, captured request, reviewed picture, the history with the picture in it: found, and all gone."""
    key = "uploads/to-erase.png"
    record = application.outcome(key, UNSURE)
    application.finished(record["execution"])

    run = Command(application.aws.state_dir)("erase", "to-erase.png", "--yes", "--json")

    assert run.returncode == 0, run.stdout + run.stderr
    said = json.loads(run.stdout)
    assert {each["kind"] for each in said["erased"]} >= {Kind.VERSION, Kind.RECORD, Kind.CAPTURES, Kind.HISTORY}
    assert said["left"] == []
    assert application.history(record["execution"]) == []
    assert application.record(key, record["version_id"], wait=False) is None
    digest = labels.digest_of(normalise(UNSURE).jpeg)
    assert digest not in labels.read(f"s3://{application.bucket}/{labels.PREFIX}", application.client("s3")).by_digest
