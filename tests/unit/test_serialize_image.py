"""Serialize image: reads the right version of the right object, and says why when it cannot."""

import base64
import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws
from moto.core.models import patch_client

from serialize_image import app
from tests.unit.lambda_context import Context
from tests.unit.pictures import BOTTOM_LEFT, BOTTOM_RIGHT, TOP_LEFT, TOP_RIGHT, close, corners, encoded, noise, quarters
from vehiclevision.errors import (
    InvalidImageError,
    InvalidRequestError,
    Reason,
    StorageRefusedError,
    StorageUnavailableError,
)
from vehiclevision.labels import MODEL_INPUT_SIDE
from vehiclevision.requests import Picture

BUCKET = "photos"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        patch_client(app.s3)
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def put(s3: Any, key: str, data: bytes) -> str:
    return str(s3.put_object(Bucket=BUCKET, Key=key, Body=data)["VersionId"])


def serialize(key: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = app.lambda_handler({"s3_bucket": BUCKET, "s3_key": key, **more}, Context())
    return answer


def test_it_hands_on_the_picture_and_everything_about_it(s3: Any) -> None:
    """The output carries the event, the exact version, the JPEG in base64 and the measurements."""
    version = put(s3, "uploads/a.jpg", encoded(quarters(), "JPEG"))

    output = serialize("uploads/a.jpg", correlation_id="c-1", execution_id="e-1")

    assert output["s3_bucket"] == BUCKET
    assert output["s3_key"] == "uploads/a.jpg"
    assert output["version_id"] == version
    assert (output["correlation_id"], output["execution_id"]) == ("c-1", "e-1")
    assert base64.b64decode(output["image_data"]).startswith(b"\xff\xd8\xff")
    assert output["measurements"]["width"] == 64


def test_the_picture_never_takes_more_than_the_next_step_accepts(s3: Any) -> None:
    """Noise, which compresses worst, leaves as at most 64 KiB of base64, and Classify image takes it."""
    put(s3, "uploads/noise.png", encoded(noise(MODEL_INPUT_SIDE), "PNG"))

    output = serialize("uploads/noise.png")

    assert 32 * 1024 < len(output["image_data"]) <= 64 * 1024
    assert Picture.from_event(output).content_type == "image/jpeg"


def test_it_reads_the_version_it_was_told_and_not_the_newest(s3: Any) -> None:
    """An overwrite in between does not change which picture is classified."""
    first = put(s3, "uploads/a.png", encoded(quarters(), "PNG"))
    put(s3, "uploads/a.png", encoded(quarters().rotate(180), "PNG"))

    output = serialize("uploads/a.png", version_id=first)

    assert close(corners(base64.b64decode(output["image_data"])), [TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT])
    assert output["version_id"] == first


def test_without_a_version_the_newest_counts_and_is_named(s3: Any) -> None:
    """Started by hand without a version, it says which one it read."""
    put(s3, "uploads/a.png", encoded(quarters(), "PNG"))
    newest = put(s3, "uploads/a.png", encoded(quarters().rotate(180), "PNG"))

    output = serialize("uploads/a.png", version_id="")

    assert output["version_id"] == newest
    assert close(corners(base64.b64decode(output["image_data"])), [BOTTOM_RIGHT, BOTTOM_LEFT, TOP_RIGHT, TOP_LEFT])


@pytest.mark.parametrize(
    "key",
    ["uploads/two words.jpg", "uploads/a+b.jpg", "uploads/100%.jpg", "uploads/%2F.jpg", "uploads/🚲.jpg"]
    + ['uploads/"quoted".jpg', "uploads/" + "x" * 1016],
)
def test_any_key_is_taken_as_it_is(s3: Any, key: str) -> None:
    """EventBridge sends keys raw, so nothing is unquoted."""
    put(s3, key, encoded(quarters(), "JPEG"))

    assert serialize(key)["s3_key"] == key


def test_a_deleted_object_is_refused_not_failed(s3: Any) -> None:
    """What is gone is gone: a reason, no retries."""
    version = put(s3, "uploads/a.jpg", b"x")
    s3.delete_object(Bucket=BUCKET, Key="uploads/a.jpg", VersionId=version)

    for more in ({}, {"version_id": version}):
        with pytest.raises(InvalidImageError) as caught:
            serialize("uploads/a.jpg", **more)
        assert caught.value.reason is Reason.OBJECT_NOT_FOUND


def test_a_huge_object_is_refused_without_reading_it_all(s3: Any) -> None:
    """A byte more than the limit is refused for its size."""
    put(s3, "uploads/huge.jpg", b"\xff\xd8\xff" + bytes(app.limits.max_bytes - 2))

    with pytest.raises(InvalidImageError, match="^TOO_MANY_BYTES: "):
        serialize("uploads/huge.jpg")


@pytest.mark.parametrize("received", [0, 1, 20_300])
def test_an_object_that_ends_early_is_read_again(received: int) -> None:
    """A connection that breaks off without an error is S3's trouble and no damaged photo."""
    photo = encoded(noise(200), "PNG")
    body = StreamingBody(io.BytesIO(photo[:received]), len(photo))
    answer = {"Body": body, "ContentLength": len(photo), "LastModified": datetime.now(UTC), "VersionId": "v1"}
    with Stubber(app.s3) as stub:
        stub.add_response("get_object", answer)
        with pytest.raises(StorageUnavailableError):
            serialize("uploads/a.png")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AccessDenied", 403, StorageRefusedError),
        ("NoSuchBucket", 404, StorageRefusedError),
        ("InvalidRequest", 400, StorageRefusedError),
        ("SlowDown", 503, StorageUnavailableError),
        ("InternalError", 500, StorageUnavailableError),
        ("NoSuchVersion", 404, InvalidImageError),
        ("NoSuchKey", 404, InvalidImageError),
    ],
)
def test_what_s3_says_becomes_what_can_be_done(code: str, status: int, error: type[Exception]) -> None:
    """Refused for good, worth another try, or gone: three errors of three names."""
    with Stubber(app.s3) as stub:
        stub.add_client_error("get_object", service_error_code=code, http_status_code=status)
        with pytest.raises(error):
            serialize("uploads/a.jpg")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"s3_bucket": BUCKET},
        {"s3_bucket": BUCKET, "s3_key": ""},
        {"s3_bucket": BUCKET, "s3_key": 7},
        {"s3_bucket": None, "s3_key": "uploads/a.jpg"},
        {"s3_bucket": BUCKET, "s3_key": "x" * 1025},
        {"s3_bucket": BUCKET, "s3_key": "uploads/a.jpg", "version_id": ["v"]},
        {"s3_bucket": BUCKET, "s3_key": "uploads/half a bicycle \ud83d.jpg"},
        {"s3_bucket": BUCKET, "s3_key": "uploads/a.jpg", "version_id": "\udeb2"},
        {"s3_bucket": "\ud83d", "s3_key": "uploads/a.jpg"},
        "text",
        None,
        [],
    ],
)
def test_an_event_that_names_no_image_is_an_invalid_request(event: Any) -> None:
    """Whatever is sent by hand, the error says which field is wrong."""
    with pytest.raises(InvalidRequestError):
        app.lambda_handler(event, Context())


def test_a_line_is_logged_whatever_the_key_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key with half a character, which no output can be written in, is logged with its number."""
    monkeypatch.setattr(app.logger.registered_handler, "stream", sys.stdout)

    with pytest.raises(InvalidRequestError):
        serialize("uploads/half \ud83d.jpg")

    line = next(json.loads(line) for line in capsys.readouterr().out.splitlines() if "image_not_read" in line)
    assert line["s3_key"] == "uploads/half \\ud83d.jpg"


@pytest.mark.parametrize("more", [{}, {"version_id": None}, {"version_id": ""}])
def test_no_version_is_the_newest_however_it_is_said(s3: Any, more: dict[str, Any]) -> None:
    """Left out, null or empty: what is not there is refused at once."""
    with pytest.raises(InvalidImageError, match="^OBJECT_NOT_FOUND: "):
        serialize("uploads/missing.jpg", **more)


def test_a_name_that_no_bucket_can_have_is_refused_for_good() -> None:
    """boto3 itself rejects such names; retrying would not help."""
    with pytest.raises(StorageRefusedError):
        app.lambda_handler({"s3_bucket": "../../etc", "s3_key": "passwd"}, Context())


def test_logs_tell_the_story_without_the_picture(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line names image, run and correlation; none holds pixels; the metric is in the log (EMF)."""
    monkeypatch.setattr(app.logger.registered_handler, "stream", sys.stdout)  # pytest exchanges it for each test
    put(s3, "uploads/a.jpg", encoded(quarters(), "JPEG"))

    output = serialize("uploads/a.jpg", correlation_id="c-1", execution_id="e-1")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    story = next(line for line in lines if line.get("message") == "image_accepted")
    assert (story["s3_key"], story["correlation_id"], story["execution_id"]) == ("uploads/a.jpg", "c-1", "e-1")
    assert any(line.get("ImageAccepted") == [1.0] for line in lines)
    assert output["image_data"][:40] not in json.dumps(lines)


def test_the_sample_event_is_accepted(s3: Any, root: Path) -> None:
    """events/serialize_image.json is what the function takes."""
    event = json.loads((root / "events/serialize_image.json").read_text())
    s3.create_bucket(Bucket=event["s3_bucket"])
    s3.put_object(Bucket=event["s3_bucket"], Key=event["s3_key"], Body=encoded(quarters(), "JPEG"))

    output = app.lambda_handler({**event, "version_id": ""}, Context())

    assert output["s3_key"] == event["s3_key"]
