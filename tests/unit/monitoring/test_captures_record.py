"""One line of a capture file, whoever wrote it."""

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.captures.record import REASONS, Captured, Unreadable, parse
from tests.unit.monitoring.capture_lines import NOON, line, png, record
from vehiclevision.answer import Answer


def captured(found: Any) -> Captured:
    result = parse(found if isinstance(found, bytes) else line(found))
    assert isinstance(result, Captured), result
    return result


def test_a_record_of_this_application_is_read_whole() -> None:
    """Answers, picture, time and names arrive as they were sent."""
    sent = record(png(1), (0.93, 0.06), event_id="event-1")
    sent["eventMetadata"] |= {"inferenceId": "mine", "customAttributes": ["trace=1,model_version=2026.11.1"]}

    assert captured(sent) == Captured(Answer((0.93, 0.06)), png(1), NOON, "event-1", "mine", "2026.11.1")


@pytest.mark.parametrize("encoding", ["JSON", "BASE64"])
@pytest.mark.parametrize(
    "output",
    [
        "[0.9, 0.1]",
        "[[0.9, 0.1]]",
        " [9e-1,\n0.1] ",
        '"[0.9, 0.1]"',
        '{"predictions": [[0.9, 0.1]]}',
        '{"predictions": [0.9, 0.1]}',
        '{"probabilities": [0.9, 0.1], "predicted_label": "bicycle"}',
        '{"motorcycle": 0.1, "bicycle": 0.9}',
        "0.9,0.1",
        "0.9, 0.1\n",
    ],
)
def test_two_probabilities_are_found_in_every_usual_form(output: str, encoding: str) -> None:
    """The answer is read by its encoding: base64 too, which is what an endpoint made by boto3 captures."""
    assert captured(record(None, output, output_encoding=encoding)).answer == Answer((0.9, 0.1))


def test_csv_is_read_by_its_encoding() -> None:
    """A container that answers in CSV is understood as well."""
    assert captured(record(None, "0.9,0.1", output_encoding="CSV")).answer == Answer((0.9, 0.1))


@pytest.mark.parametrize(
    "output",
    [
        "[0.9]",
        "[0.3, 0.3, 0.3]",
        "[[0.9, 0.1], [0.2, 0.8]]",
        "[0.9, 0.9]",
        "[-0.1, 0.5]",
        "[1.5, 0.1]",
        "[NaN, 0.1]",
        "[Infinity, 0]",
        "nan,0.1",
        "inf,0",
        '["0.9", "0.1"]',
        "[true, false]",
        "[null, 0.1]",
        "null",
        "{}",
        '{"predictions": [{"label": "bicycle"}]}',
        '{"predictions": [0.9, 0.1], "scores": [0.1, 0.9]}',
        '{"bicycle": "0.9", "motorcycle": 0.1}',
        "0.9,0.1\n0.8,0.2",
        "error",
        "",
        "[" * 5000,
        "[0.9, 0.1" + " " * 5000 + "]",
        "[" + "9" * 5000 + ", 0]",
        "[1e999, 0]",
    ],
)
def test_any_other_output_is_no_answer(output: str) -> None:
    """The record is still read; only its answer is none."""
    assert captured(record(None, output)).answer is None


def test_an_output_that_was_captured_as_json_proper_is_read() -> None:
    """Some writers put the list itself where SageMaker puts its text."""
    sent = record(None, "x")
    sent["captureData"]["endpointOutput"]["data"] = [0.9, 0.1]

    assert captured(sent).answer == Answer((0.9, 0.1))


@pytest.mark.parametrize(
    "content_type", ["image/png", "image/jpeg", "application/x-image", "IMAGE/PNG; q=1", "", "application/octet-stream"]
)
def test_a_picture_is_known_by_its_type_or_its_first_bytes(content_type: str) -> None:
    """The bytes are those that were sent, to the last."""
    assert captured(record(png(2), content_type=content_type)).picture == png(2)


def test_a_declared_picture_that_is_none_is_kept_to_be_counted_as_broken() -> None:
    """What was declared a picture is handed on, so that it is missed later, not here."""
    assert captured(record(b"no picture")).picture == b"no picture"


def test_a_tabular_record_is_read_and_has_no_picture() -> None:
    """A foreign endpoint's record is a record; it holds neither a picture nor two probabilities."""
    sent = record(None, "0.0254181120544672", output_encoding="CSV")
    sent["captureData"]["endpointInput"] = {
        "observedContentType": "text/csv",
        "mode": "INPUT",
        "data": "69,0,153.7,109,194.0,105\n",
        "encoding": "CSV",
    }

    assert captured(sent) == Captured(None, None, NOON, sent["eventMetadata"]["eventId"], "", None)


def test_a_record_with_only_one_side_is_read() -> None:
    """Endpoints may capture only the input, or only the output."""
    assert captured(record(png(1), None)).answer is None
    assert captured(record(None, (0.5, 0.5))).picture is None
    assert captured({"captureData": {}}) == Captured(None, None, None, "", "", None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-10-15T14:05:12Z", datetime(2024, 10, 15, 14, 5, 12, tzinfo=UTC)),
        ("2024-10-15T14:05:12", datetime(2024, 10, 15, 14, 5, 12, tzinfo=UTC)),
        ("2024-10-15T14:05:12.250Z", datetime(2024, 10, 15, 14, 5, 12, 250_000, tzinfo=UTC)),
        ("2024-10-15T16:05:12+02:00", datetime(2024, 10, 15, 14, 5, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("1970-01-01T00:00:00Z", None),
        (1729001112, None),
        (None, None),
    ],
)
def test_times_are_utc_or_none(written: Any, meant: datetime | None) -> None:
    """With or without zone and fraction; what is no time of this age is none."""
    sent = record(None)
    sent["eventMetadata"]["inferenceTime"] = written

    assert captured(sent).at == meant


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \t\r", "empty"),
        (b"\xff\xfe{}", "not_utf8"),
        (b"{", "not_json"),
        (b"{}{}", "not_json"),
        (b"NaN", "not_json"),
        (b'{"captureData": {"x": NaN}}', "not_json"),
        (b'{"x": ' + b"9" * 5000 + b"}", "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"{}", "no_capture_data"),
        (b'{"captureData": []}', "no_capture_data"),
        (b'{"captureData": {"endpointInput": 3}}', "wrong_type"),
        (b'{"captureData": {"endpointOutput": {"data": 3}}}', "wrong_type"),
        (b'{"captureData": {"endpointInput": {"data": "%%", "encoding": "BASE64"}}}', "bad_base64"),
        (b'{"captureData": {"endpointInput": {"data": "\xc3\xa4", "encoding": "BASE64"}}}', "bad_base64"),
        (b'{"captureData": {"endpointInput": {"data": "YQ", "encoding": "BASE64"}}}', "bad_base64"),
        (b'{"captureData": {"endpointInput": {"data": "a", "encoding": "ZIP"}}}', "unknown_encoding"),
        (b'{"captureData": {"endpointInput": {"data": "a", "encoding": []}}}', "unknown_encoding"),
    ],
)
def test_what_is_no_record_says_why(content: bytes, reason: str) -> None:
    """A short code, to be counted."""
    assert parse(content) == Unreadable(reason)


def test_every_reason_has_words(root: Path) -> None:
    """Whatever the code gives as a reason can be told to a person, and nothing else is."""
    given = re.compile(r'(?:_RefusedError|Unreadable|DamagedError)\("(\w+)"\)|lost\["(\w+)"\]|broken = "(\w+)"')
    sources = "".join(path.read_text() for path in (root / "monitoring" / "captures").glob("*.py"))

    assert {next(filter(None, found)) for found in given.findall(sources)} == set(REASONS)


def test_of_duplicate_keys_the_last_one_counts() -> None:
    """As in every common JSON reader."""
    assert captured(b'{"captureData": 1, "captureData": {}}').answer is None


@pytest.mark.parametrize("wrong", [1, "x", [], None, True, {"a": []}])
def test_metadata_of_any_type_leaves_the_record_readable(wrong: Any) -> None:
    """Names and times that are none are left out."""
    assert captured(line({"captureData": {}, "eventMetadata": wrong})).event_id == ""
    names = {"eventId": wrong, "inferenceId": wrong, "customAttributes": wrong, "inferenceTime": wrong}
    assert captured(line({"captureData": {}, "eventMetadata": names})).at is None


def test_lone_surrogates_do_not_escape() -> None:
    """A text that no encoding can write is still only text."""
    sent = b'{"captureData": {"endpointOutput": {"data": "\\ud800", "encoding": "JSON"}}}'

    assert captured(sent).answer is None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise(content: bytes) -> None:
    """Whatever the bytes, the line is a record or it is not."""
    assert isinstance(parse(content), Captured | Unreadable)


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8).map(lambda content: base64.b64encode(content).decode()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "encoding", "observedContentType", "eventId", "inferenceTime", "predictions"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(_ANYTHING, _ANYTHING, _ANYTHING, st.sampled_from(["BASE64", "JSON", "CSV", "json", None, 0]))
def test_no_shape_raises(inside: Any, output: Any, metadata: Any, encoding: Any) -> None:
    """Whatever stands where something else belongs, the line is a record or it is not."""
    side = {"data": output, "encoding": encoding}
    for data in ({"endpointInput": inside, "endpointOutput": side}, {"endpointInput": side, "endpointOutput": inside}):
        found = parse(json.dumps({"captureData": data, "eventMetadata": metadata}).encode())

        assert isinstance(found, Captured | Unreadable)


def test_real_records_are_read_whole(data: Path) -> None:
    """Every line that SageMaker wrote for other projects gives two probabilities, a picture, a time and an id."""
    lines = [each for path in sorted((data / "capture").iterdir()) for each in path.read_bytes().splitlines()]

    found = [captured(each) for each in lines]

    assert len(found) == 31
    assert all(each.answer and each.picture and each.at and each.event_id for each in found)
