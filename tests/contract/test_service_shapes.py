"""What we send to AWS, and the events we take from it, agree with AWS's own models."""

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import OperationModel
from botocore.validate import ParamValidator


def operation(service: str, name: str) -> OperationModel:
    return botocore.session.get_session().get_service_model(service).operation_model(name)


def state(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "statemachine/classify_vehicle.asl.json").read_text())["States"][name]
    return found


def filled(value: Any) -> Any:
    """Stands in for JSONata: every expression becomes a text, or an attribute value where one is due."""
    if isinstance(value, dict):
        return {key: filled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner) for inner in value]
    if isinstance(value, str) and value.startswith("{%") and ("'NULL'" in value or value.startswith("{% {'")):
        return {"NULL": True}
    return value


@pytest.mark.parametrize(
    ("name", "service", "call"),
    [
        ("Record vehicle", "dynamodb", "PutItem"),
        ("Record outcome", "dynamodb", "PutItem"),
        ("Read record", "dynamodb", "GetItem"),
        ("Note announcement", "dynamodb", "UpdateItem"),
    ],
)
def test_the_record_is_a_valid_request(root: Path, name: str, service: str, call: str) -> None:
    """The arguments of the DynamoDB states have the shape of the API that they call."""
    shape = operation(service, call).input_shape
    assert shape is not None

    report = ParamValidator().validate(filled(state(root, name)["Arguments"]), shape)

    assert not report.has_errors(), report.generate_report()


def test_the_announcement_is_a_valid_request(root: Path) -> None:
    """PutEvents gets its entry; Step Functions turns the Detail object into the text that the API wants."""
    arguments = filled(state(root, "Announce vehicle")["Arguments"])
    for entry in arguments["Entries"]:
        entry["Detail"] = json.dumps(entry["Detail"])
    shape = operation("events", "PutEvents").input_shape
    assert shape is not None

    report = ParamValidator().validate(arguments, shape)

    assert not report.has_errors(), report.generate_report()


def test_the_letter_is_a_valid_request(root: Path) -> None:
    """SendMessage gets its queue and a body, which Step Functions turns into text."""
    arguments = filled(state(root, "Write letter")["Arguments"])
    arguments["MessageBody"] = json.dumps(arguments["MessageBody"])
    shape = operation("sqs", "SendMessage").input_shape
    assert shape is not None

    report = ParamValidator().validate(arguments, shape)

    assert not report.has_errors(), report.generate_report()


def test_the_table_key_is_what_the_record_writes(root: Path) -> None:
    """Both key attributes are written as text, and so is what the index sorts by."""
    item = state(root, "Record outcome")["Arguments"]["Item"]

    for name in ("object", "version_id", "outcome", "recorded_at"):
        assert list(item[name]) == ["S"]
    assert list(item["expires_at"]) == ["N"]
