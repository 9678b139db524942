"""The sample payloads in events/ are what the rules, the workflow and the functions really take."""

import base64
import io
import json
from typing import Any

import pytest
from moto.events.models import EventPattern
from PIL import Image

from tests.infra.project import Json, Project, rendered
from vehiclevision import requests
from vehiclevision.answer import checked
from vehiclevision.labels import MODEL_INPUT_SIDE

_FROM_SERIALIZE = {"version_id", "uploaded_at", "image_data", "measurements"}
_FROM_CLASSIFY = {"inferences", "model_version"}


def test_the_upload_event_starts_the_workflow(project: Project) -> None:
    """events/object_created.json matches the rule of the bucket that it comes from."""
    event = _event(project, "object_created")
    bucket = event["detail"]["bucket"]["name"]

    heard = _hears(project, "UploadRule", {"UploadBucket": bucket}, event)

    assert heard
    assert event["detail"]["object"]["version-id"]
    assert event["detail"]["object"]["sequencer"]


@pytest.mark.parametrize("key", ["thumbnails/a.jpg", "uploads", "xuploads/a.jpg"])
def test_other_keys_start_nothing(project: Project, key: str) -> None:
    """An object outside uploads/ does not match the rule."""
    event = _event(project, "object_created")
    event["detail"]["object"]["key"] = key

    heard = _hears(project, "UploadRule", {"UploadBucket": event["detail"]["bucket"]["name"]}, event)

    assert not heard


@pytest.mark.parametrize(
    ("status", "error", "kept"),
    [
        ("FAILED", "THRESHOLD_CONFIDENCE_NOT_MET", False),
        ("FAILED", "EndpointMissingError", True),
        ("FAILED", "States.Runtime", True),
        ("FAILED", ..., True),
        ("TIMED_OUT", None, True),
        ("ABORTED", None, True),
        ("ABORTED", ..., True),
        ("SUCCEEDED", None, False),
        ("RUNNING", None, False),
    ],
)
def test_faults_are_kept_and_reviews_are_not(project: Project, status: str, error: object, kept: bool) -> None:
    """The fault rule keeps each run that failed, timed out or was stopped, except one that needs review."""
    detail = {"stateMachineArn": "the-workflow", "status": status} | ({} if error is ... else {"error": error})
    event: Json = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}

    heard = _hears(project, "WorkflowFaultRule", {"ClassifyVehicleStateMachine": "the-workflow"}, event)

    assert heard is kept


def test_a_run_by_hand_names_an_object(project: Project) -> None:
    """events/classify_vehicle.json is what a run by hand takes: bucket, key and perhaps a version."""
    event = _event(project, "classify_vehicle")

    assert {"s3_bucket", "s3_key"} <= set(event) <= {"s3_bucket", "s3_key", "version_id"}


def test_serialize_image_takes_its_event(project: Project) -> None:
    """events/serialize_image.json has exactly the fields that the workflow hands over, and the function takes them."""
    event = _event(project, "serialize_image")

    wanted = requests.ObjectVersion.from_event(event)

    assert set(event) == set(project.machine["States"]["Serialize image"]["Arguments"])
    assert (wanted.s3_bucket, wanted.s3_key) == (event["s3_bucket"], event["s3_key"])


def test_classify_image_takes_its_event(project: Project) -> None:
    """events/classify_image.json adds the normalised picture, a JPEG of the model's size."""
    event = _event(project, "classify_image")

    sent = requests.Picture.from_event(event)
    picture = Image.open(io.BytesIO(sent.content))

    assert set(event) == set(_event(project, "serialize_image")) | _FROM_SERIALIZE
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE))
    assert sent.content_type == "image/jpeg"
    assert base64.b64encode(sent.content).decode() == event["image_data"]


def test_filter_inferences_takes_its_event(project: Project) -> None:
    """events/filter_inferences.json adds confidences that can be true, and the model's version."""
    event = _event(project, "filter_inferences")

    answer = checked(requests.inferences(event))

    assert set(event) == set(_event(project, "classify_image")) | _FROM_CLASSIFY
    assert sum(answer.confidences) <= 1
    assert event["model_version"]


def _event(project: Project, name: str) -> Json:
    event: Json = json.loads(project.files[f"events/{name}.json"])
    return event


def _hears(project: Project, rule: str, names: Json, event: Any) -> bool:
    """Whether the rule's pattern, its references filled in as CloudFormation would, matches the event."""

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return names[rendered(node)] if "Ref" in node else {key: filled(value) for key, value in node.items()}
        return [filled(item) for item in node] if isinstance(node, list) else node

    pattern = EventPattern.load(json.dumps(filled(project.properties(rule)["EventPattern"])))
    return bool(pattern.matches_event(event))
