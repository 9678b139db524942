"""Captured data has SageMaker's records and keys, several to a file, and is never in an inference's way."""

import base64
import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker import capture as sagemaker_capture
from local.sagemaker import waiting
from local.sagemaker.capture import Capture, Exchange

KEY = re.compile(r"captured/bikes/AllTraffic/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl")
SETTINGS = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/captured",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
}


def exchange(number: int = 0, **settings: Any) -> Exchange:
    answer = json.dumps([0.5, number]).encode()
    return Exchange(
        "bikes", "AllTraffic", {**SETTINGS, **settings}, "image/png", b"\x89PNG", "application/json", answer
    )


class Bucket:
    """What was put, and whether it takes anything."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.open = threading.Event()
        self.open.set()

    def put(self, *operation: str, **request: Any) -> None:
        assert (operation, request["Bucket"]) == (("s3", "put_object"), "bucket")
        if not self.open.is_set():
            raise OSError("closed")
        self.objects[request["Key"]] = request["Body"]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for body in self.objects.values() for line in body.decode().splitlines()]


def shape(value: Any) -> Any:
    """Names and their order, and which kind of value each has."""
    return {name: shape(each) for name, each in value.items()} if isinstance(value, dict) else type(value).__name__


def test_a_record_has_the_form_of_the_real_ones(data: Path) -> None:
    """Members, their order, their types and the bytes around them are those of files that SageMaker wrote."""
    bucket = Bucket()
    capture = Capture(bucket.put)
    capture.sample(exchange())
    capture.stop()
    (ours,) = bucket.objects.values()

    for file in sorted((data / "capture").glob("*.jsonl")):
        for line in filter(str.strip, file.read_text().splitlines()):
            real = json.loads(line)
            assert list(shape(real).items()) == list(shape(json.loads(ours)).items())
            assert json.dumps(real, separators=(",", ":"), ensure_ascii=False) == line
    assert ours.endswith(b"}\n")
    assert b": " not in ours


def test_files_lie_under_sagemakers_keys_with_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """{prefix}/{endpoint}/{variant}/yyyy/mm/dd/hh/mm-ss-mmm-uuid.jsonl, and no more lines than a file may have."""
    monkeypatch.setattr(sagemaker_capture, "RECORDS_A_FILE", 20)
    bucket = Bucket()
    capture = Capture(bucket.put, flush_seconds=60)

    for number in range(50):
        capture.sample(exchange(number))
    capture.stop()

    assert all(KEY.fullmatch(key) for key in bucket.objects)
    assert 3 <= len(bucket.objects) <= 50
    assert sorted(json.loads(each["captureData"]["endpointOutput"]["data"])[1] for each in bucket.records()) == list(
        range(50)
    )


@pytest.mark.parametrize(
    ("declared", "encodings"),
    [
        ({"JsonContentTypes": ["application/json"]}, ("BASE64", "JSON")),
        ({"JsonContentTypes": []}, ("BASE64", "BASE64")),
        ({"JsonContentTypes": ["image/png"]}, ("BASE64", "BASE64")),
        ({"CsvContentTypes": ["APPLICATION/JSON"]}, ("BASE64", "CSV")),
    ],
    ids=["declared", "not declared", "not text", "csv"],
)
def test_only_declared_types_are_written_as_text(declared: dict[str, Any], encodings: tuple[str, str]) -> None:
    """Everything else is base64, what is declared as text but is none included."""
    bucket = Bucket()
    capture = Capture(bucket.put)
    capture.sample(exchange(CaptureContentTypeHeader=declared))
    capture.stop()

    sides = bucket.records()[0]["captureData"]
    assert (sides["endpointInput"]["encoding"], sides["endpointOutput"]["encoding"]) == encodings
    assert base64.b64decode(sides["endpointInput"]["data"]) == b"\x89PNG"


def test_one_side_may_be_left_out() -> None:
    """As CaptureOptions say."""
    bucket = Bucket()
    capture = Capture(bucket.put)
    capture.sample(exchange(CaptureOptions=[{"CaptureMode": "Output"}]))
    capture.stop()

    assert list(bucket.records()[0]["captureData"]) == ["endpointOutput"]


def test_a_share_of_the_requests_is_sampled() -> None:
    """None at 0 %, about half at 50 %."""
    bucket = Bucket()
    capture = Capture(bucket.put)
    for number in range(1000):
        capture.sample(exchange(number, InitialSamplingPercentage=0))
        capture.sample(exchange(number, InitialSamplingPercentage=50))
    capture.stop()

    assert 400 < len(bucket.records()) < 600


def test_a_closed_bucket_delays_nobody_and_loses_nothing_that_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Taking stays quick; what waits is written when the bucket opens; what had no room is counted in the log."""
    monkeypatch.setattr(waiting, "MAX_WAITING", 100)
    bucket = Bucket()
    bucket.open.clear()
    capture = Capture(bucket.put, flush_seconds=0.05)

    began = time.monotonic()
    for number in range(150):
        capture.sample(exchange(number))
    seconds = time.monotonic() - began
    time.sleep(0.2)
    bucket.open.set()
    capture.stop()

    said = capsys.readouterr().err
    lost = sum(int(number) for number in re.findall(r"Data capture lost (\d+) records", said))
    assert seconds < 1
    assert len(bucket.records()) + lost == 150
    assert len(bucket.records()) >= 100
    assert "Data capture waits for bucket" in said
