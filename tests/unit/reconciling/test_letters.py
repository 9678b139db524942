"""Whatever lies in the dead-letter queue is understood, or said not to be."""

import json
from pathlib import Path

import pytest

from reconciling.letters import NO_ERROR, Photo, photo_of, understood

EVENT = {
    "id": "e1",
    "source": "aws.s3",
    "detail": {
        "bucket": {"name": "photos"},
        "object": {"key": "uploads/a b.jpg", "version-id": "v1", "sequencer": "00AA"},
    },
}
PHOTO = Photo("photos", "uploads/a b.jpg", "v1", "00AA", "e1")


def test_an_upload_that_started_nothing_names_its_photo() -> None:
    """The letter is S3's own event, with its order."""
    assert understood(json.dumps(EVENT)) == (PHOTO, NO_ERROR)


def test_the_sample_event_is_understood(root: Path) -> None:
    """What lies in events/ for the trigger is a letter, too."""
    photo, _ = understood((root / "events/object_created.json").read_text())

    assert photo is not None
    assert photo.sequencer


@pytest.mark.parametrize("given", [json.dumps(EVENT), EVENT], ids=["as text", "as an object"])
@pytest.mark.parametrize("source", ["aws.states", "vehiclevision"])
def test_a_run_that_ended_badly_names_what_it_was_started_with(source: str, given: object) -> None:
    """Step Functions sends the input as text, the workflow itself as an object; both say what went wrong."""
    letter = {"source": source, "detail": {"error": "EndpointMissingError", "input": given}}

    assert understood(json.dumps(letter)) == (PHOTO, "EndpointMissingError")


def test_a_start_by_hand_names_its_photo() -> None:
    """Without a version and without an order, as people type it."""
    assert photo_of({"s3_bucket": "photos", "s3_key": "k", "version_id": None}) == Photo("photos", "k")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[" * 5000,
        "null",
        "[]",
        "3",
        '{"detail": 3}',
        '{"source": "aws.s3", "detail": {"bucket": "x", "object": []}}',
        '{"source": "aws.states", "detail": {"input": "{"}}',
        '{"source": "aws.states", "detail": {"input": "{\\"s3_bucket\\": 1, \\"s3_key\\": 2}"}}',
        '{"source": "aws.states", "detail": {"status": "ABORTED", "input": null}}',
    ],
)
def test_a_letter_of_any_kind_is_no_error(body: str) -> None:
    """What names no photo is kept for a person; nothing that somebody puts into the queue ends the command."""
    photo, error = understood(body)

    assert photo is None
    assert error
