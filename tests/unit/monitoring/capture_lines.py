"""Capture records for the tests, as SageMaker writes them."""

import base64
import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vehiclevision.image_gate import encode
from vehiclevision.labels import MODEL_INPUT_SIDE

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def png(seed: int, side: int = 32, brightness: float = 0.5) -> bytes:
    """A picture of its own: a coloured slope with noise."""
    chance = np.random.default_rng(seed)
    slope = np.linspace(-40, 40, side)[:, None, None] * chance.uniform(-1, 1, 3)
    noise = chance.normal(255 * brightness, 25, (side, side, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noise + slope, 0, 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def jpeg(seed: int) -> bytes:
    """A picture as our own endpoint is sent them: coarse shapes with grain, about as many bytes as a photo has."""
    chance = np.random.default_rng(seed)
    shapes = Image.fromarray(chance.integers(0, 256, (12, 12, 3), np.uint8))
    smooth = np.asarray(shapes.resize((MODEL_INPUT_SIDE, MODEL_INPUT_SIDE), Image.Resampling.BICUBIC), np.int16)
    grain = chance.integers(-7, 8, (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 1), np.int16)
    return encode(Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)))


def record(
    picture: bytes | None = None,
    answers: Any = (0.9, 0.05),
    at: datetime | str | None = NOON,
    event_id: str | None = "",
    *,
    output_encoding: str = "JSON",
    content_type: str = "image/png",
) -> dict[str, Any]:
    """One record; what is None is left out, an empty event id becomes a new one."""
    data: dict[str, Any] = {}
    if picture is not None:
        data["endpointInput"] = {
            "observedContentType": content_type,
            "mode": "INPUT",
            "data": base64.b64encode(picture).decode(),
            "encoding": "BASE64",
        }
    if answers is not None:
        text = answers if isinstance(answers, str) else json.dumps(answers)
        data["endpointOutput"] = {
            "observedContentType": "text/csv" if output_encoding == "CSV" else "application/json",
            "mode": "OUTPUT",
            "data": base64.b64encode(text.encode()).decode() if output_encoding == "BASE64" else text,
            "encoding": output_encoding,
        }
    metadata = {} if event_id is None else {"eventId": event_id or str(uuid.uuid4())}
    if at is not None:
        metadata["inferenceTime"] = at if isinstance(at, str) else f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}


def line(found: Any) -> bytes:
    """A record as its line, without the newline."""
    return json.dumps(found, separators=(",", ":")).encode()


def lines(count: int, start: datetime = NOON, every: timedelta = timedelta(seconds=1)) -> list[bytes]:
    """Different records, one every second."""
    chance = np.random.default_rng(count)
    found = []
    for number in range(count):
        bicycle = round(float(chance.uniform(0, 1)), 4)
        answers = (bicycle, round((1 - bicycle) * float(chance.uniform(0.5, 1)), 4))
        found.append(line(record(png(number), answers, start + number * every, f"event-{number}")))
    return found


def key(at: datetime, name: str, endpoint: str = "vehiclevision", variant: str = "AllTraffic") -> str:
    """Where SageMaker puts a file that was begun at this time."""
    return f"{endpoint}/{variant}/{at:%Y/%m/%d/%H}/{name}.jsonl"


def write(folder: Path, at: datetime, name: str, content: bytes, **owner: str) -> Path:
    """A file in SageMaker's layout below a folder."""
    path = folder / key(at, name, **owner)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def traffic(
    folder: Path, count: int, lines_a_file: int = 200, every: timedelta = timedelta(seconds=2)
) -> Iterator[int]:
    """Write many records in SageMaker's layout, from a thousand pictures; yields the bytes of each file."""
    pool = [
        line(record(jpeg(seed), (0.5, 0.25), "@TIME@", "@EVENT@", content_type="image/jpeg")) for seed in range(1000)
    ]
    chance = np.random.default_rng(count)
    for first in range(0, count, lines_a_file):
        begun = NOON + first * every
        content = bytearray()
        for number in range(first, min(first + lines_a_file, count)):
            bicycle = float(chance.beta(0.4, 0.4))
            answers = f"[{bicycle:.6f}, {(1 - bicycle) * 0.98:.6f}]".encode()
            at = f"{NOON + number * every:%Y-%m-%dT%H:%M:%SZ}".encode()
            content += (
                pool[number % len(pool)]
                .replace(b"[0.5, 0.25]", answers)
                .replace(b"@TIME@", at)
                .replace(b"@EVENT@", b"%032x" % number)
            )
            content += b"\n"
        write(folder, begun, f"{begun:%M-%S}-{first:08}", bytes(content))
        yield len(content)
