"""Drawn traffic: what an endpoint would capture if the demo's drawings were uploaded all day, some of them worse.

Drawings, not photos: they show the report, and say nothing about the model.
"""

import base64
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from cli import samples
from training.artefact import DEFAULT_MODEL, load_model
from training.data.pictures import BATCH, stacked
from vehiclevision.image_gate import normalise
from vehiclevision.labels import NEITHER

Worse = Callable[[Image.Image], Image.Image]
START = datetime(2026, 11, 2, tzinfo=UTC)
ENDPOINT, VARIANT = "vehiclevision", "AllTraffic"
SIDE = 320


@dataclass(frozen=True)
class Record:
    """One request and its answer, and what was really in the picture."""

    at: datetime
    jpeg: bytes
    answers: tuple[float, float]
    truth: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.jpeg).hexdigest()


def night(picture: Image.Image) -> Image.Image:
    """The same scene with little light and little colour."""
    return ImageEnhance.Color(ImageEnhance.Brightness(picture).enhance(0.45)).enhance(0.6)


def traffic(
    days: int, a_day: int, seed: int, *, start: datetime = START, worse: Worse | None = None, share: float = 0.0
) -> list[Record]:
    """So many answers a day, more of them in the morning and the evening; a share of the pictures is made worse."""
    random = np.random.default_rng(seed)
    whole = [each for each in samples.of() if _opens(each.content)]
    scenes = [(_opened(each.content), each.label) for each in whole]
    chosen = [scenes[index] for index in random.choice(len(scenes), days * a_day, p=_weights(scenes))]
    jpegs = []
    for scene, _ in chosen:
        seen = _varied(scene, random)
        if worse and random.random() < share:
            seen = worse(seen)
        jpegs.append(normalise(_bytes(seen)).jpeg)
    answers = _answers(jpegs)
    times = sorted(_moment(random, start, days) for _ in chosen)
    return [
        Record(at, jpeg, answer, label or NEITHER)
        for at, jpeg, answer, (_, label) in zip(times, jpegs, answers, chosen, strict=True)
    ]


def write(records: Sequence[Record], folder: Path, model_version: str = "drawn") -> None:
    """The records as SageMaker's data capture writes them, a file an hour."""
    hours: dict[datetime, list[Record]] = {}
    for record in records:
        hours.setdefault(record.at.replace(minute=0, second=0, microsecond=0), []).append(record)
    for hour, own in hours.items():
        file = folder / ENDPOINT / VARIANT / f"{hour:%Y/%m/%d/%H}" / f"00-00-000-{hour:%Y%m%d%H}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(line(record, model_version) + "\n" for record in own))


def line(record: Record, model_version: str) -> str:
    """One record as SageMaker writes it."""
    return json.dumps(
        {
            "captureData": {
                "endpointInput": {
                    "observedContentType": "image/jpeg",
                    "mode": "INPUT",
                    "data": base64.b64encode(record.jpeg).decode(),
                    "encoding": "BASE64",
                },
                "endpointOutput": {
                    "observedContentType": "application/json",
                    "mode": "OUTPUT",
                    "data": json.dumps(record.answers),
                    "encoding": "JSON",
                },
            },
            "eventMetadata": {
                "eventId": f"{record.digest[:12]}-{record.at:%d%H%M%S}",
                "customAttributes": [f"model_version={model_version}"],
                "inferenceTime": f"{record.at:%Y-%m-%dT%H:%M:%SZ}",
            },
            "eventVersion": "0",
        }
    )


def sort(records: Sequence[Record], folder: Path) -> None:
    """The pictures in a folder per class, as a baseline is made of them."""
    for record in records:
        file = folder / record.truth / f"{record.digest}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(record.jpeg)


def review(records: Sequence[Record], folder: Path, threshold: float, share: float = 0.3) -> None:
    """What a person would have named: all that did not pass, and a share of what did, drawn by hash."""
    shown = [each for each in records if max(each.answers) < threshold or int(each.digest[:4], 16) < share * 0x10000]
    sort(shown, folder)


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _opens(content: bytes) -> bool:
    try:
        Image.open(io.BytesIO(content)).load()
    except (OSError, Image.DecompressionBombError):
        return False
    return True


def _weights(scenes: Sequence[tuple[Image.Image, str | None]]) -> list[float]:
    """Mostly vehicles: one picture in twelve shows something else."""
    others = sum(label is None for _, label in scenes)
    weights = [1 / 12 / others if label is None else 11 / 12 / (len(scenes) - others) for _, label in scenes]
    return [weight / sum(weights) for weight in weights]


def _varied(scene: Image.Image, random: np.random.Generator) -> Image.Image:
    """Another view of a drawing: turned, cut, mirrored, in another light."""
    side = scene.width
    seen = scene.rotate(random.normal(0, 5), Image.Resampling.BICUBIC, fillcolor=scene.getpixel((2, 2)))
    left, top, right, bottom = random.uniform(0, 0.14, 4) * side
    seen = seen.crop((round(left), round(top), round(side - right), round(side - bottom)))
    if random.random() < 0.5:
        seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    seen = ImageEnhance.Brightness(seen).enhance(float(np.clip(random.normal(1, 0.16), 0.5, 1.5)))
    seen = ImageEnhance.Contrast(seen).enhance(float(np.clip(random.normal(1, 0.15), 0.5, 1.5)))
    return ImageEnhance.Color(seen).enhance(float(np.clip(random.normal(1, 0.25), 0.2, 1.8)))


def _moment(random: np.random.Generator, start: datetime, days: int) -> datetime:
    hour = random.choice([random.normal(8, 1.6), random.normal(17.5, 2.2), random.uniform(5, 23)], p=[0.4, 0.45, 0.15])
    seconds = float(np.clip(hour, 0, 23.99)) * 3600 + 86400 * int(random.integers(days))
    return start + timedelta(seconds=math.floor(seconds))


def _bytes(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _answers(jpegs: Sequence[bytes]) -> Iterator[tuple[float, float]]:
    model = load_model(DEFAULT_MODEL)
    for start in range(0, len(jpegs), BATCH):
        for bicycle, motorcycle in model.predict(stacked(jpegs[start : start + BATCH])).tolist():
            yield min(1.0, bicycle), min(1.0 - min(1.0, bicycle), motorcycle)
