"""Data capture as SageMaker does it: sampled requests and answers as JSON lines, in files of a bucket."""

import base64
import itertools
import json
import random
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.sagemaker.waiting import Waiting
from vehiclevision.results import bucket_and_key

FLUSH_SECONDS = 5.0
RECORDS_A_FILE = 200
EVENT_VERSION = "0"

# Asks a service for an operation; OSError when it cannot.
Call = Callable[..., None]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they were on the wire, and when."""

    endpoint: str
    variant: str
    # The endpoint's DataCaptureConfig.
    settings: Mapping[str, Any]
    request_type: str
    request: bytes
    answer_type: str
    answer: bytes
    inference_id: str = ""
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def size(self) -> int:
        """About how much memory it takes."""
        return len(self.request) + len(self.answer) + 500


class Capture(Waiting[Exchange]):
    """The exchanges that wait for their bucket."""

    def __init__(self, call: Call, flush_seconds: float = FLUSH_SECONDS) -> None:
        super().__init__("Data capture", self._write, flush_seconds, lambda exchange: exchange.size)
        self._call = call

    def sample(self, exchange: Exchange) -> None:
        """Take an exchange if it is sampled."""
        # Sampling decides nothing that anybody would want to guess.
        if random.random() * 100 < float(exchange.settings["InitialSamplingPercentage"]):  # noqa: S311
            self.take(exchange)

    def _write(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        left: list[Exchange] = []
        for records in files(exchanges):
            bucket, key = place(records[0])
            try:
                body = "".join(line(record) + "\n" for record in records).encode()
                self._call("s3", "put_object", Bucket=bucket, Key=key, Body=body)
            except OSError as error:
                print(f"Data capture waits for {bucket}: {error}", file=sys.stderr, flush=True)
                left += records
        return left


def files(records: Sequence[Exchange]) -> list[list[Exchange]]:
    """The records of each file: of one variant of one endpoint, in one place, within one hour."""

    def of(record: Exchange) -> tuple[str, ...]:
        hour = f"{record.moment:%Y/%m/%d/%H}"
        return record.settings["DestinationS3Uri"], record.endpoint, record.variant, hour

    groups = [list(group) for _, group in itertools.groupby(sorted(records, key=of), of)]
    return [group[at : at + RECORDS_A_FILE] for group in groups for at in range(0, len(group), RECORDS_A_FILE)]


def place(first: Exchange) -> tuple[str, str]:
    """Bucket and key of the file that begins with this record."""
    bucket, prefix = bucket_and_key(first.settings["DestinationS3Uri"])
    moment = first.moment
    file = f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
    parts = (prefix.strip("/"), first.endpoint, first.variant, f"{moment:%Y/%m/%d/%H}", file)
    return bucket, "/".join(part for part in parts if part)


def line(record: Exchange) -> str:
    """One record as SageMaker writes it."""
    settings = record.settings
    data, modes = {}, {option["CaptureMode"] for option in settings["CaptureOptions"]}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _side("INPUT", record.request_type, record.request, settings)
    if modes & {"Output", "InputAndOutput"}:
        data["endpointOutput"] = _side("OUTPUT", record.answer_type, record.answer, settings)
    metadata = {
        "eventId": record.event_id,
        **({"inferenceId": record.inference_id} if record.inference_id else {}),
        "inferenceTime": f"{record.moment:%Y-%m-%dT%H:%M:%SZ}",
    }
    captured = {"captureData": data, "eventMetadata": metadata, "eventVersion": EVENT_VERSION}
    return json.dumps(captured, separators=(",", ":"), ensure_ascii=False)


def _side(mode: str, content_type: str, body: bytes, settings: Mapping[str, Any]) -> dict[str, str]:
    data, encoding = encoded(body, content_type, settings)
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}


def encoded(body: bytes, content_type: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    """The body as text where its type is declared to be text, else in base64, and the name of the encoding."""
    plain = content_type.split(";", maxsplit=1)[0].strip().lower()
    declared = settings.get("CaptureContentTypeHeader", {})
    for types, encoding in (("CsvContentTypes", "CSV"), ("JsonContentTypes", "JSON")):
        if plain in {each.lower() for each in declared.get(types, [])}:
            try:
                return body.decode(), encoding
            except UnicodeDecodeError:
                break
    return base64.b64encode(body).decode(), "BASE64"
