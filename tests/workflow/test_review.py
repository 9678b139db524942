"""A person decides an unsure photo: on the real application, from the listing to the consumer."""

from cli.target import local_target
from console.deployed import desk_of
from monitoring import labels
from monitoring.review import decide, waiting
from tests.unit.pictures import encoded, quarters
from tests.workflow.driver import Application
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
