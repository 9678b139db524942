"""What reads bytes from outside, each as a function of them: it takes them, or refuses them as it promises to.

Any other error is a failure, and so are more than a second of CPU and 300 MiB for one input.
"""

import gzip
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from botocore.response import StreamingBody
from hypothesis import HealthCheck, given, settings

from monitoring.captures.reader import read
from monitoring.captures.record import Captured
from monitoring.captures.source import File, Selection
from tests.fuzz.pieces import files, pieces
from tests.unit.serving.tiny_model import ONNX, ONNX_WITH_MAP, packed
from tests.unit.serving.tiny_model import manifest as described
from training.artefact import open_session, parse_manifest, read_members
from training.errors import ModelRefusedError
from vehiclevision import requests
from vehiclevision.answer import checked
from vehiclevision.capture import Exchange
from vehiclevision.errors import InvalidImageError, InvalidPredictionError, InvalidRequestError
from vehiclevision.image_gate import normalise
from vehiclevision.prediction import Prediction, predict

MAX_CPU_SECONDS: Final = 1.0
MAX_MEBIBYTES: Final = 300
CLEAR: Final = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Target:
    """`takes` says whether it took the bytes; `seeds` are some that it takes, to begin with."""

    takes: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]


# Instead of a target's name: whichever the first byte numbers.
ALL: Final = "all"


def within_bounds(takes: Callable[[bytes], bool], data: bytes) -> bool:
    """Whether the bytes are taken. Too much memory is an AssertionError, and so is too much time, three times in a row:
    on a busy machine the same work takes twice the time of a processor, now and then.
    """
    seconds: list[float] = []
    while not seconds or (seconds[-1] >= MAX_CPU_SECONDS and len(seconds) < 3):
        forget_peak()
        before, started = peak_mebibytes(), time.process_time()
        is_taken = takes(data)
        seconds.append(time.process_time() - started)
        mebibytes = peak_mebibytes() - before
        assert mebibytes < MAX_MEBIBYTES, f"{mebibytes} MiB for {len(data)} bytes"
    assert min(seconds) < MAX_CPU_SECONDS, f"{min(seconds):.1f} s of CPU for {len(data)} bytes"
    return is_taken


def forget_peak() -> None:
    """Begin to measure memory anew, where the system can (proc(5): 5 resets the peak resident set size)."""
    if CLEAR.exists():
        CLEAR.write_text("5")


def peak_mebibytes() -> int:
    """The most memory that this process has held since then; elsewhere than on Linux, nothing is known."""
    status = Path("/proc/self/status")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024 if status.exists() else 0


def gate(data: bytes) -> bool:
    """An upload."""
    try:
        normalise(data)
    except InvalidImageError:
        return False
    return True


def upload(data: bytes) -> bool:
    """An upload put together from pieces, as the bytes say."""
    taken: list[bool] = []

    @settings(max_examples=1, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(files())
    def one(file: bytes) -> None:
        taken.append(within_bounds(gate, file))

    drawn: Any = one
    drawn.hypothesis.fuzz_one_input(data)
    return any(taken)


def event(data: bytes) -> bool:
    """What a function is started with."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return False  # Lambda itself refuses what is no JSON
    readers = (
        requests.ObjectVersion.from_event,
        requests.Picture.from_event,
        lambda fields: checked(requests.inferences(fields)),
    )
    return sum(_is_taken(reader, fields, InvalidRequestError, InvalidPredictionError) for reader in readers) > 0


def answer(data: bytes) -> bool:
    """What an endpoint says: its attributes up to the first line's end, then its body."""
    attributes, _, body = data.partition(b"\n")
    said = {
        "Body": StreamingBody(io.BytesIO(body), len(body)),
        "CustomAttributes": attributes.decode("latin-1"),
    }
    runtime: Any = SimpleNamespace(invoke_endpoint=lambda **_: said)
    picture = requests.Picture(b"\xff\xd8\xff", "image/jpeg")
    return _is_taken(lambda _: predict(runtime, "endpoint", picture), None, InvalidPredictionError)


def captures(data: bytes) -> bool:
    """A file of captured requests."""
    return sum(isinstance(record, Captured) for record in read(_OneFile(data))) > 0


def manifest(data: bytes) -> bool:
    """What a model says of itself."""
    return _is_taken(parse_manifest, data, ModelRefusedError)


def archive(data: bytes) -> bool:
    """A model.tar.gz; what does not begin as gzip does is packed first, so that the archive within is reached."""
    file = _on_disk()
    file.write_bytes(data if data.startswith(b"\x1f\x8b") else gzip.compress(data, 1))
    return _is_taken(read_members, file, ModelRefusedError)


def network(data: bytes) -> bool:
    """A model.onnx whose manifest vouches for it."""
    return _is_taken(lambda onnx: open_session(onnx, Path("model.onnx")), data, ModelRefusedError)


def numbered() -> list[bytes]:
    """The seeds of all targets, each behind its target's number."""
    return [bytes([number]) + seed for number, target in enumerate(TARGETS.values()) for seed in target.seeds()]


def _is_taken(reader: Callable[[Any], object], value: object, *refusals: type[Exception]) -> bool:
    try:
        reader(value)
    except refusals:
        return False
    return True


@cache
def _on_disk() -> Path:
    return Path(tempfile.mkdtemp()) / "model.tar.gz"


@dataclass
class _OneFile:
    content: bytes
    address: str = "s3://captures/"
    readers: int = 1

    def files(self, _: Selection) -> Iterator[File]:
        yield File("hour/file.jsonl", len(self.content), None)

    def chunks(self, _: File) -> Iterator[bytes]:
        yield from (self.content[:100], self.content[100:])


def _captured() -> list[bytes]:
    picture = requests.Picture(b"\xff\xd8\xff", "image/jpeg")
    exchange = Exchange("endpoint", picture, Prediction(checked([0.75, 0.125]), "m", "v"), "0" * 64, datetime.now(UTC))
    csv = exchange.line.replace('"encoding":"JSON"', '"encoding":"CSV"')
    lines = (exchange.line + csv).encode()
    return [lines, gzip.compress(lines, mtime=0)]


def _events() -> list[bytes]:
    functions = ("serialize_image", "classify_image", "filter_inferences")
    return [Path(f"events/{name}.json").read_bytes() for name in functions] + [b'{"inferences": [0.9, 0.05]}']


def _archives() -> list[bytes]:
    whole = packed([("model.onnx", ONNX), ("manifest.json", described())])
    return [whole, gzip.decompress(whole)]


TARGETS: Final[dict[str, Target]] = {
    "gate": Target(gate, lambda: [b"".join(parts) for parts in pieces().values()]),
    "upload": Target(upload, list),
    "event": Target(event, _events),
    "answer": Target(answer, lambda: [b"model_version=abc\n[0.9, 0.05]"]),
    "captures": Target(captures, _captured),
    "manifest": Target(manifest, lambda: [described()]),
    "archive": Target(archive, _archives),
    "network": Target(network, lambda: [ONNX, ONNX_WITH_MAP]),
}
