"""Data capture as SageMaker does it: sampled requests and answers as JSON lines in a bucket, a file every few seconds.

Nothing here is in an inference's way: a record is put in a queue, and a thread of its own writes the files. What the
queue cannot hold, or the bucket does not take, is counted and said in the log.
"""

import base64
import json
import random
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FLUSH_SECONDS = 5.0
# A file this long is written at once.
RECORDS_A_FILE = 200
MAX_WAITING_RECORDS = 20_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
STOP_SECONDS = 5.0
EVENT_VERSION = "0"

# Writes an object: bucket, key, content. It raises OSError when it cannot.
Put = Callable[[str, str, bytes], None]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they were on the wire."""

    endpoint: str
    variant: str
    settings: Mapping[str, Any]
    request_type: str
    request: bytes
    answer_type: str
    answer: bytes
    inference_id: str = ""

    @property
    def size(self) -> int:
        """About how much memory it takes."""
        return len(self.request) + len(self.answer) + 500


@dataclass(frozen=True)
class Captured:
    """An exchange that is waiting, and when it was."""

    exchange: Exchange
    moment: datetime
    event_id: str


class Capture:
    """The queue, and the thread that empties it."""

    def __init__(self, put: Put, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._put = put
        self._flush_seconds = flush_seconds
        self._waiting: deque[Captured] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.lost = 0

    def take(self, exchange: Exchange) -> None:
        """Keep an exchange if it is sampled and there is room; returns at once."""
        # Sampling decides nothing that anybody would want to guess.
        if random.random() * 100 >= float(exchange.settings["percentage"]):  # noqa: S311
            return
        with self._lock:
            if len(self._waiting) >= MAX_WAITING_RECORDS or self._bytes + exchange.size > MAX_WAITING_BYTES:
                self.lost += 1
                return
            self._waiting.append(Captured(exchange, datetime.now(UTC), str(uuid.uuid4())))
            self._bytes += exchange.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="capture")
                self._thread.start()
        if len(self._waiting) >= RECORDS_A_FILE:
            self._wake.set()

    def stop(self) -> None:
        """Write what waits, and end; within some seconds."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        with self._lock:
            self.lost += len(self._waiting)
        self._report()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._flush_seconds)
            self._wake.clear()
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write all that waits; what the bucket does not take now is tried again with the next flush."""
        with self._lock:
            batch = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
        for records in files(batch):
            bucket, key = place(records[0])
            body = "".join(line(record) + "\n" for record in records).encode()
            try:
                self._put(bucket, key, body)
            except OSError as error:
                print(f"Data capture waits for {bucket}: {error}", file=sys.stderr, flush=True)
                self._give_back(records)
                time.sleep(0 if self._stopping else 1)
        self._report()

    def _give_back(self, records: Sequence[Captured]) -> None:
        with self._lock:
            size = sum(record.exchange.size for record in records)
            if self._bytes + size > MAX_WAITING_BYTES or len(self._waiting) + len(records) > MAX_WAITING_RECORDS:
                self.lost += len(records)
                return
            self._waiting.extendleft(reversed(records))
            self._bytes += size

    def _report(self) -> None:
        with self._lock:
            lost, self.lost = self.lost, 0
        if lost:
            print(f"Data capture lost {lost} records.", file=sys.stderr, flush=True)


def files(records: Sequence[Captured]) -> list[list[Captured]]:
    """The records of each file: of one variant of one endpoint, in one place, within one hour."""
    groups: dict[tuple[str, ...], list[list[Captured]]] = {}
    for record in records:
        exchange = record.exchange
        hour = record.moment.strftime("%Y/%m/%d/%H")
        group = groups.setdefault((exchange.settings["destination"], exchange.endpoint, exchange.variant, hour), [[]])
        if len(group[-1]) >= RECORDS_A_FILE:
            group.append([])
        group[-1].append(record)
    return [file for group in groups.values() for file in group]


def place(first: Captured) -> tuple[str, str]:
    """Bucket and key of the file that begins with this record."""
    bucket, _, prefix = first.exchange.settings["destination"].removeprefix("s3://").partition("/")
    moment, exchange = first.moment, first.exchange
    file = f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
    parts = (prefix.strip("/"), exchange.endpoint, exchange.variant, f"{moment:%Y/%m/%d/%H}", file)
    return bucket, "/".join(part for part in parts if part)


def line(record: Captured) -> str:
    """One record as SageMaker writes it."""
    exchange, settings = record.exchange, record.exchange.settings
    data = {}
    if settings.get("input", True):
        data["endpointInput"] = _side("INPUT", exchange.request_type, exchange.request, settings)
    if settings.get("output", True):
        data["endpointOutput"] = _side("OUTPUT", exchange.answer_type, exchange.answer, settings)
    metadata = {
        "eventId": record.event_id,
        **({"inferenceId": exchange.inference_id} if exchange.inference_id else {}),
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
    for encoding in ("CSV", "JSON"):
        if plain in {each.lower() for each in settings.get(encoding.lower(), [])}:
            try:
                return body.decode(), encoding
            except UnicodeDecodeError:
                break
    return base64.b64encode(body).decode(), "BASE64"
