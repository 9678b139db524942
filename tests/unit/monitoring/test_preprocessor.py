"""Model Monitor's record preprocessor, called as its container calls it."""

import base64
import io
import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from monitoring.model_monitor import schedule
from monitoring.model_monitor.preprocessor import preprocess_handler


@dataclass
class Side:
    """One side of a record, with the attributes that the container gives it."""

    data: Any
    encoding: str = "BASE64"
    observed_content_type: str = "image/png"


@dataclass
class InferenceRecord:
    """What the container hands over."""

    endpoint_input: Any
    endpoint_output: Any
    event_metadata: Any = None
    details: dict[str, Any] = field(default_factory=dict)


def picture(file_format: str = "PNG", size: tuple[int, int] = (32, 24), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(buffer, file_format, **options)
    return buffer.getvalue()


def given(payload: bytes = b"", answer: Any = "[0.9, 0.05]", encoding: str = "JSON") -> InferenceRecord:
    return InferenceRecord(Side(base64.b64encode(payload).decode()), Side(answer, encoding))


def test_a_record_becomes_flat() -> None:
    """Confidences, label, sureness, and what the picture's header says; columns in the order of their names."""
    png = picture()

    found = preprocess_handler(given(png))

    assert found == {
        "bicycle": 0.9,
        "confidence": 0.9,
        "height": 24,
        "label": "bicycle",
        "motorcycle": 0.05,
        "payload_bytes": len(png),
        "sureness": pytest.approx(0.85),
        "width": 32,
    }
    assert list(found) == sorted(found)


def test_an_answer_in_base64_is_read_too() -> None:
    """Without a list of JSON content types SageMaker captures answers in base64."""
    encoded = base64.b64encode(b"[0.02, 0.97]").decode()

    found = preprocess_handler(given(picture(), encoded, "BASE64"))

    assert found["label"] == "motorcycle"  # type: ignore[call-overload]


@pytest.mark.parametrize(("name", "options"), [("JPEG", {}), ("JPEG", {"progressive": True})])
def test_a_jpeg_has_a_size_too(name: str, options: dict[str, Any]) -> None:
    """The size stands behind segments of any length."""
    found = preprocess_handler(given(picture(name, (640, 480), **options)))

    assert (found["width"], found["height"]) == (640, 480)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "answer",
    [
        "", "null", "{}", "[]", "[0.5]", "[1, 2, 3]", "[true, false]", '["0.9", 0.1]', "[NaN, 0.1]", "[0.9, 0.9]",
        "[Infinity, 0]", "[-0.1, 0.5]", "no json", "[" * 10_000, None, 7,
    ],
)  # fmt: skip
def test_what_is_no_answer_counts_as_no_record(answer: Any) -> None:
    """Nothing is raised, which would end the whole job."""
    assert preprocess_handler(given(picture(), answer)) == []


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0", b"\xff\xd8", b"\xff\xd8\xff\xe0\0\0" * 9, b"text"],
)
def test_a_broken_picture_has_no_size(payload: bytes) -> None:
    """Zeros stand where a header ends too early; the columns are all there."""
    found = preprocess_handler(given(payload))

    assert (found["width"], found["height"], found["payload_bytes"]) == (0, 0, len(payload))  # type: ignore[call-overload]
    assert len(found) == 8


@pytest.mark.parametrize("data", [None, 3, "not base64!", b"bytes"])
def test_any_input_is_taken(data: Any) -> None:
    """Whatever the container found on the input's side, the answer still counts."""
    found = preprocess_handler(InferenceRecord(Side(data), Side("[0.9, 0.05]", "JSON")))

    assert found["label"] == "bicycle"  # type: ignore[call-overload]


def test_it_needs_nothing_but_the_standard_library() -> None:
    """The file runs alone, in an interpreter without packages, as in Model Monitor's container."""
    side = "type('S', (), {'data': '[0.9, 0.05]', 'encoding': 'JSON'})"
    program = (
        f"import runpy; found = runpy.run_path({str(schedule.PREPROCESSOR)!r})['preprocess_handler']"
        f"(type('R', (), {{'endpoint_input': {side}, 'endpoint_output': {side}}})); print(found['label'])"
    )

    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)

    assert (run.stdout.strip(), run.stderr) == ("bicycle", "")


def test_the_constraints_are_on_the_preprocessor_s_columns() -> None:
    """A column that the constraints do not know would be a violation in every report."""
    content = json.loads(schedule.objects()["constraints.json"])

    named = [feature["name"] for feature in content["features"]]
    found = preprocess_handler(given(picture()))

    assert named == list(found)
    for feature in content["features"]:
        value = found[feature["name"]]
        assert (
            type(value).__name__
            == {"String": "str", "Integral": "int", "Fractional": "float"}[feature["inferred_type"]]
        )
