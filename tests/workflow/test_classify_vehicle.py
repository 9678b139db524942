"""The way of one image, on the real template: every way in, every way out, and nothing lost in between."""

import contextlib
import http.server
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cli import samples
from lifecycle.costs import machine, way_of_a_classified_photo
from local import processes
from local.sagemaker import servers as sagemaker
from monitoring.captures.reader import read
from monitoring.captures.record import Captured
from monitoring.captures.source import open_source
from tests.unit.cli.answering_services import Services, services
from tests.unit.pictures import encoded, noise
from tests.workflow.driver import Application, all_files, assert_starts_alone
from training.artefact import DEFAULT_MODEL, load_model
from vehiclevision.errors import Reason
from vehiclevision.labels import MODEL_INPUT_SIDE, ROUTES
from vehiclevision.record import Outcome, announcement_id, inference_id

DRAWN = samples.of()
THRESHOLD = load_model(DEFAULT_MODEL).manifest.threshold
# What Step Functions takes as a state's input or output, in bytes.
MAX_STATE_BYTES = 256 * 1024


def sure(label: str, number: int = 0) -> bytes:
    """A drawn vehicle that the shipped model is sure of."""
    return [sample.content for sample in DRAWN if sample.label == label][number]


UNSURE = next(sample.content for sample in DRAWN if sample.outcome == "NEEDS_REVIEW")
JUNK = b"this is no image"


@pytest.mark.parametrize("label", ["bicycle", "motorcycle"])
def test_a_sure_photo_is_recorded_and_announced_once(application: Application, label: str) -> None:
    """CLASSIFIED: label, confidence, route and model version in the record and, once, on the bus."""
    key = f"uploads/{label}.jpg"

    record = application.outcome(key, sure(label))
    announced = application.announced(key)

    assert (record["outcome"], record["label"], record["route"]) == ("CLASSIFIED", label, ROUTES[label])
    assert record["confidence"] == max(record["inferences"]) >= THRESHOLD
    assert len(announced) == 1
    event = announced[0]
    assert (event["source"], event["detail-type"]) == ("vehiclevision", "VehicleClassified")
    for name in ("label", "route", "model_version", "s3_bucket", "s3_key", "version_id", "uploaded_at", "sequencer"):
        assert event["detail"][name] == record[name], name
    assert event["detail"]["confidence"] == pytest.approx(record["confidence"])
    expected = announcement_id(application.bucket, key, record["version_id"], Outcome.CLASSIFIED)
    assert (event["detail"]["announcement_id"], event["detail"]["superseded"]) == (expected, False)
    assert application.noted(key, record["version_id"])["announced_at"] >= record["recorded_at"]
    finished = application.finished(record["execution"])
    assert finished["status"] == "SUCCEEDED"
    assert json.loads(finished["output"])["label"] == label
    entered = [event["stateEnteredEventDetails"]["name"] for event in application.history(record["execution"])
               if event["type"].endswith("StateEntered")]  # fmt: skip
    assert entered == way_of_a_classified_photo(machine())


def test_an_unsure_photo_is_recorded_then_fails_by_its_name(application: Application) -> None:
    """NEEDS_REVIEW: recorded with both confidences, not announced, a failed run that is no dead letter."""
    application.dead_letters()

    record = application.outcome("uploads/unsure.jpg", UNSURE)
    finished = application.finished(record["execution"])

    assert (record["outcome"], record["reason"]) == ("NEEDS_REVIEW", "THRESHOLD_CONFIDENCE_NOT_MET")
    assert record["label"] is None
    assert record["route"] is None
    assert record["confidence"] == max(record["inferences"]) < THRESHOLD
    assert (finished["status"], finished["error"]) == ("FAILED", "THRESHOLD_CONFIDENCE_NOT_MET")
    assert application.announced("uploads/unsure.jpg", at_least=0) == []
    assert application.dead_letters() == []


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("text.png", JUNK, Reason.NOT_AN_IMAGE),
        ("zero.jpg", b"", Reason.EMPTY),
        ("cut.jpg", sure("bicycle")[:300], None),
    ],
)
def test_junk_is_refused_with_its_reason(application: Application, name: str, data: bytes, reason: str | None) -> None:
    """REJECTED: a reason code and what to do, no retries, no announcement, a run that succeeded in refusing."""
    record = application.outcome(f"uploads/junk/{name}", data)

    assert (record["outcome"], record["reason"]) == ("REJECTED", reason or Reason.CANNOT_DECODE)
    assert len(record["hint"].split()) > 3
    assert record["inferences"] is None
    assert application.finished(record["execution"])["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "key",
    [
        "uploads/two words and  more.jpg",
        "uploads/a+b.jpg",
        "uploads/100%25.jpg",
        "uploads/100%.jpg",
        "uploads/\"double\" and 'single'.jpg",
        "uploads/🚲🏍️.jpg",
        "uploads/../above.jpg",
        "uploads/./here.jpg",
        "uploads//double//slash.jpg",
        "uploads/back\\slash.jpg",
        "uploads/{{json}} $.detail <key>.jpg",
        "uploads/line\nbreak.jpg",
        "uploads/" + "ü" * 508,
    ],
    ids=lambda key: ascii(key[:24]),
)
def test_any_key_has_one_right_outcome(application: Application, key: str) -> None:
    """Whatever S3 takes as a key comes through raw: recorded and announced under exactly this key."""
    record = application.outcome(key, sure("bicycle"))

    assert (record["s3_key"], record["outcome"]) == (key, "CLASSIFIED")
    assert len(application.announced(key, settle_seconds=0.3)) == 1


def test_thirty_deliveries_of_one_upload_count_once(application: Application) -> None:
    """S3 delivers at least once: one run wins the record and announces, the others end quietly."""
    key = "uploads/again.jpg"
    version = application.upload(key, sure("motorcycle"))
    record = application.noted(key, version)
    delivery = {
        "id": record["correlation_id"],
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": application.bucket}, "object": {"key": key, "version-id": version}},
    }

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(application.start, [delivery] * 29))
    ends = {application.finished(run)["status"] for run in runs}

    assert ends == {"SUCCEEDED"}
    assert application.record(key, version) == record
    assert len(application.announced(key)) == 1


def test_what_nobody_was_told_is_announced_when_it_is_started_again(application: Application) -> None:
    """Recorded and not announced, as a run leaves it that is stopped in between: a start by hand makes up for it."""
    key = "uploads/stopped-in-between.jpg"
    record = application.outcome(key, sure("bicycle"))
    (first,) = application.announced(key)
    application.noted(key, record["version_id"])
    application.forget_the_note(key, record["version_id"])

    request = {"s3_bucket": application.bucket, "s3_key": key, "version_id": record["version_id"]}
    finished = application.finished(application.start(request))

    assert finished["status"] == "SUCCEEDED"
    second = application.announced(key, at_least=2)[1]
    assert second["detail"] == first["detail"]
    assert application.noted(key, record["version_id"])["execution"] == record["execution"]
    assert application.finished(application.start(request))["status"] == "SUCCEEDED"
    assert len(application.announced(key)) == 2


def test_a_start_by_hand_of_nothing_ends_at_once(application: Application) -> None:
    """An object that is not there, its version given as null: REJECTED and recorded, without minutes of retries."""
    request = {"s3_bucket": application.bucket, "s3_key": "uploads/never.jpg", "version_id": None}

    assert application.finished(application.start(request))["status"] == "SUCCEEDED"

    record = application.record("uploads/never.jpg", "none")
    assert record is not None
    assert (record["outcome"], record["reason"]) == ("REJECTED", Reason.OBJECT_NOT_FOUND)


def test_an_overwrite_leaves_each_version_its_own_outcome(application: Application) -> None:
    """Both versions are classified from their own bytes, whichever ends first."""
    key = "uploads/overwritten.jpg"

    first = application.upload(key, sure("bicycle"))
    second = application.upload(key, sure("motorcycle"))
    third = application.upload(key, JUNK)
    records = [application.record(key, version) for version in (first, second, third)]

    assert [record and record["outcome"] for record in records] == ["CLASSIFIED", "CLASSIFIED", "REJECTED"]
    assert [record and record["label"] for record in records] == ["bicycle", "motorcycle", None]
    events = application.announced(key, at_least=2)
    assert {(e["detail"]["version_id"], e["detail"]["label"]) for e in events} == {
        (first, "bicycle"),
        (second, "motorcycle"),
    }
    in_order = sorted(events, key=lambda event: event["detail"]["sequencer"])
    assert [event["detail"]["version_id"] for event in in_order] == [first, second]


def test_a_deleted_version_is_refused(application: Application) -> None:
    """What was removed for good before it could be read is REJECTED, not retried and not lost."""
    key = "uploads/deleted.jpg"
    version = application.upload("elsewhere/deleted.jpg", sure("bicycle"))
    application.client("s3").delete_object(Bucket=application.bucket, Key="elsewhere/deleted.jpg", VersionId=version)

    run = application.start({"s3_bucket": application.bucket, "s3_key": key, "version_id": version})

    assert application.finished(run)["status"] == "SUCCEEDED"
    record = application.record(key, version)
    assert record is not None
    assert (record["outcome"], record["reason"]) == ("REJECTED", Reason.OBJECT_NOT_FOUND)


def test_a_deletion_while_it_waits_does_not_change_the_answer(application: Application) -> None:
    """A delete marker hides the key, not the version that was uploaded."""
    key = "uploads/hidden.jpg"
    version = application.upload(key, sure("bicycle"))
    application.client("s3").delete_object(Bucket=application.bucket, Key=key)

    record = application.record(key, version)

    assert record is not None
    assert record["outcome"] == "CLASSIFIED"


def test_it_starts_by_hand_with_the_plain_input(application: Application) -> None:
    """{s3_bucket, s3_key} is enough; the steps' outputs keep the names that such workflows have always had."""
    key = "by-hand/no-trigger.jpg"
    version = application.upload(key, sure("motorcycle"))

    finished = application.finished(application.start({"s3_bucket": application.bucket, "s3_key": key}))

    assert finished["status"] == "SUCCEEDED"
    record = application.record(key, version)
    assert record is not None
    assert (record["label"], record["version_id"]) == ("motorcycle", version)
    outputs = {
        event["stateExitedEventDetails"]["name"]: json.loads(event["stateExitedEventDetails"]["output"])
        for event in application.history(finished["executionArn"])
        if "stateExitedEventDetails" in event
    }
    assert {"image_data", "s3_bucket", "s3_key"} <= outputs["Serialize image"].keys()
    assert {"image_data", "s3_bucket", "s3_key", "inferences"} <= outputs["Classify image"].keys()
    assert {"image_data", "s3_bucket", "s3_key", "inferences"} <= outputs["Filter inferences"].keys()


def test_the_largest_picture_leaves_room_in_every_state(application: Application) -> None:
    """Noise, which compresses worst, stands once in each state: a third of what Step Functions takes at the most."""
    record = application.outcome("uploads/noise.png", encoded(noise(MODEL_INPUT_SIDE), "PNG"))

    sizes = {
        len(str(details[name]).encode())
        for event in application.history(record["execution"])
        for details in event.values()
        if isinstance(details, dict)
        for name in ("input", "output", "parameters")
        if name in details
    }

    assert 32 * 1024 < max(sizes) < MAX_STATE_BYTES / 3


@pytest.mark.parametrize(
    "request_", [{}, [], "text", {"s3_bucket": 1, "s3_key": 2}, {"detail": {"bucket": []}}], ids=str
)
def test_an_input_that_names_no_image_fails_by_name(application: Application, request_: Any) -> None:
    """Nonsense in the console ends as InvalidRequestError at once, and someone hears of it."""
    application.dead_letters()

    finished = application.finished(application.start(request_))

    assert (finished["status"], finished["error"]) == ("FAILED", "InvalidRequestError")
    assert [letter["detail"]["executionArn"] for letter in wait_for_letters(application)] == [finished["executionArn"]]


def wait_for_letters(application: Application) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 20
    while not (letters := application.dead_letters()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return letters


def test_one_id_leads_from_upload_to_record_and_no_log_holds_a_picture(application: Application) -> None:
    """The three functions log the record's correlation id, execution and key; pixels and EXIF stay out of every log."""
    key = "uploads/story of one image.jpg"
    record = application.outcome(key, sure("bicycle", 1))
    picture = next(
        json.loads(event["stateExitedEventDetails"]["output"])["image_data"]
        for event in application.history(record["execution"])
        if event.get("stateExitedEventDetails", {}).get("name") == "Serialize image"
    )
    groups = [
        application.outputs[f"{name}LogGroup"] for name in ("SerializeImage", "ClassifyImage", "FilterInferences")
    ]

    for group, message in zip(groups, ("image_accepted", "prediction_made", "confident"), strict=True):
        # A function's lines come after its answer.
        lines = application.logs_with(group, message, "story of")
        story = [json.loads(line) for line in lines if line.startswith("{") and message in line and "story of" in line]
        assert [(s["correlation_id"], s["execution_id"], s["s3_key"]) for s in story] == [
            (record["correlation_id"], record["execution"], key)
        ]
        assert not any(picture[:60] in line for line in lines)


class Nonsense(http.server.BaseHTTPRequestHandler):
    """An endpoint that answers with something that is no prediction."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"[7, -1]\n")

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@contextlib.contextmanager
def nonsense_served(application: Application) -> Iterator[None]:
    """In the place of the endpoint, one that talks nonsense."""
    sagemaker.runtime(application.aws.state_dir).stop()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nonsense)
    lock = processes.serve_alone(sagemaker.runtime(application.aws.state_dir), {"port": server.server_port})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        os.close(lock)
        sagemaker.runtime(application.aws.state_dir).launch().ready()


@pytest.fixture
def nonsense_endpoint(application: Application) -> Iterator[None]:
    """An endpoint that talks nonsense while a test runs."""
    with nonsense_served(application):
        yield


@pytest.fixture
def captures(application: Application) -> Iterator[str]:
    """The deployed function captures for a while, as with a serverless endpoint; where."""
    functions, name = application.client("lambda"), application.outputs["ClassifyImageFunctionName"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    own = {"CAPTURE_BUCKET": application.bucket, "CAPTURE_PREFIX": "captured", "CAPTURE_PERCENT": "100"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**before, **own}})
    yield f"s3://{application.bucket}/captured/{before['ENDPOINT_NAME']}/"
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_the_function_captures_what_a_serverless_endpoint_does_not(application: Application, captures: str) -> None:
    """Refused by S3 at first, the photo is classified all the same; once allowed, monitoring reads what it asked."""
    refused = application.outcome("uploads/not captured.jpg", sure("bicycle"))
    iam, role = application.client("iam"), application.role("ClassifyImageRole")
    grant = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{captures[5:]}*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    iam.put_role_policy(RoleName=role, PolicyName="capture", PolicyDocument=policy)
    try:
        record = application.outcome("uploads/captured.jpg", sure("bicycle", 1))
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="capture")

    (captured,) = read(open_source(captures, application.client("s3")))
    assert isinstance(captured, Captured)
    assert captured.answer is not None
    assert list(captured.answer.confidences) == pytest.approx(record["inferences"])
    assert captured.inference_id == inference_id(application.bucket, record["s3_key"], record["version_id"])
    assert captured.model_version == record["model_version"]
    assert refused["outcome"] == record["outcome"] == "CLASSIFIED"


@pytest.fixture
def somebody_else(application: Application) -> Iterator[Services]:
    """Rekognition on loopback, asked for a while about every photo: at a threshold of 1 the model is sure of none."""
    functions = application.client("lambda")
    names = [application.outputs[f"{name}FunctionName"] for name in ("ClassifyImage", "FilterInferences")]
    before = [functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"] for name in names]
    with services() as both:
        own = {"SECOND_OPINION": "rekognition", "CONFIDENCE_THRESHOLD": "1", "AWS_ENDPOINT_URL_REKOGNITION": both.url}
        for name, variables in zip(names, before, strict=True):
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**variables, **own}})
        yield both
        for name, variables in zip(names, before, strict=True):
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def test_a_doubtful_photo_passes_if_somebody_else_agrees(application: Application, somebody_else: Services) -> None:
    """Recorded and announced as such; where the other differs, a person decides and the record tells both."""
    bicycle = {"Name": "Bicycle", "Confidence": 97.25}
    somebody_else.rekognition = lambda picture: (200, {"Labels": [bicycle]})

    agreed = application.outcome("uploads/agreed.jpg", sure("bicycle"))
    differed = application.outcome("uploads/differed.jpg", sure("motorcycle"))

    opinion = {"by": "rekognition", "label": "bicycle", "confidence": 0.9725}
    assert agreed["second_opinion"] == {**opinion, "passed": True}
    assert (agreed["outcome"], agreed["label"], agreed["confidence"] < 1) == ("CLASSIFIED", "bicycle", True)
    (event,) = application.announced(agreed["s3_key"])
    assert event["detail"]["second_opinion"] == opinion
    assert (differed["outcome"], differed["second_opinion"]) == ("NEEDS_REVIEW", {**opinion, "passed": False})
    assert (len(somebody_else.pictures), somebody_else.wrong) == (2, [])


def test_a_failed_image_is_kept_with_its_input(application: Application, request: Any) -> None:
    """FAILED: recorded with the error's name, not announced, and a dead letter that holds the input."""
    application.dead_letters()
    key = "uploads/second try.jpg"
    request.getfixturevalue("nonsense_endpoint")
    version = application.upload(key, sure("bicycle"))

    failed = application.record(key, version)
    assert failed is not None
    assert (failed["outcome"], failed["reason"]) == ("FAILED", "InvalidPredictionError")
    assert application.finished(failed["execution"])["error"] == "InvalidPredictionError"
    (letter,) = wait_for_letters(application)
    assert json.loads(letter["detail"]["input"])["detail"]["object"]["key"] == key
    assert application.announced(key, at_least=0, settle_seconds=0.3) == []


def test_a_failed_image_started_again_is_classified(application: Application) -> None:
    """The endpoint is back: the dead letter's own input starts the image again, and the record is put right."""
    key = "uploads/second try.jpg"
    versions = application.client("s3").list_object_versions(Bucket=application.bucket, Prefix=key)["Versions"]
    request = {"s3_bucket": application.bucket, "s3_key": key, "version_id": versions[0]["VersionId"]}

    finished = application.finished(application.start(request))

    assert finished["status"] == "SUCCEEDED"
    record = application.record(key, versions[0]["VersionId"])
    assert record is not None
    assert (record["outcome"], record["label"]) == ("CLASSIFIED", "bicycle")
    assert len(application.announced(key)) == 1


def endpoint_outage(application: Application, uploads: int, seconds: float, prefix: str) -> list[dict[str, Any]]:
    """Upload with the endpoint going down in the middle; the records of all."""
    versions: dict[str, str] = {}
    for number in range(uploads):
        if number == uploads // 3:
            sagemaker.runtime(application.aws.state_dir).stop()
        key = f"{prefix}/{number}.jpg"
        versions[key] = application.upload(key, sure("bicycle", number % 2))
    time.sleep(seconds)
    sagemaker.runtime(application.aws.state_dir).launch().ready()
    found = [application.record(key, version) for key, version in versions.items()]
    return [record for record in found if record is not None]


def test_an_endpoint_outage_loses_nothing(application: Application) -> None:
    """Down for some seconds in the middle of 12 uploads: all 12 are classified afterwards."""
    records = endpoint_outage(application, uploads=12, seconds=4, prefix="uploads/outage")

    assert [record["outcome"] for record in records] == ["CLASSIFIED"] * 12


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_long_endpoint_outage_loses_nothing(application: Application) -> None:
    """Down for 30 s in the middle of 50 uploads: all 50 are classified afterwards."""
    records = endpoint_outage(application, uploads=50, seconds=30, prefix="uploads/long-outage")

    assert [record["outcome"] for record in records] == ["CLASSIFIED"] * 50


@pytest.mark.soak
def test_hostile_files_each_have_an_outcome(application: Application, data: Path) -> None:
    """Each of the hostile files ends as CLASSIFIED, NEEDS_REVIEW or REJECTED with a reason; none fails."""
    files = all_files(data / "hostile")
    with ThreadPoolExecutor(8) as pool:
        keys = [f"uploads/hostile/{path.name}" for path in files]
        versions = list(pool.map(application.upload, keys, [path.read_bytes() for path in files]))

    for key, version in zip(keys, versions, strict=True):
        record = application.record(key, version)
        assert record is not None
        assert record["outcome"] in ("CLASSIFIED", "NEEDS_REVIEW", "REJECTED"), (key, record)
        assert record["reason"] if record["outcome"] != "CLASSIFIED" else record["label"]


@pytest.mark.parametrize("name", ["serialize_image", "classify_image", "filter_inferences"])
def test_the_built_artefact_starts_in_a_clean_interpreter(application: Application, root: Path, name: str) -> None:
    """What SAM built holds all that the handler imports: nothing comes from this checkout or its environment."""
    if sys.platform != "linux":
        pytest.skip("sam build fetches Linux wheels, which this system cannot import")
    logical = "".join(part.title() for part in name.split("_")) + "Function"
    artefact = root / ".aws-sam" / "local" / "build" / logical
    assert application.outputs, "deployed, and so built"

    assert_starts_alone(artefact, name, {"ENDPOINT_NAME": "vehiclevision", "CONFIDENCE_THRESHOLD": "0.7"})
