"""A fuzzer of the image gate: files put together from their own pieces in any order, number and state of damage.

    make fuzz MINUTES=5

Hypothesis draws the pieces and shrinks what fails; it is not guided by coverage, for the fuzzer that would be, atheris,
has no wheels for every Python and processor that we support. Memory and CPU are failures like any other error.
"""

import os
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.unit.heifs import coded, file_of, grid_item, picture_item
from tests.unit.hostile import LARGEST, chunk
from tests.unit.pictures import encoded, quarters
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import normalise

# Without a time, `make test` runs the same files every time.
MINUTES = float(os.environ.get("MINUTES", "0"))
MAX_CPU_SECONDS = 1.0
MAX_MEBIBYTES = 300
CLEAR = Path("/proc/self/clear_refs")


@cache
def pieces() -> dict[str, list[bytes]]:
    """What files of each format consist of: segments, chunks, boxes, as encoders write them."""
    jpeg = encoded(quarters(), "JPEG", progressive=True, restart_marker_blocks=2)
    png = encoded(quarters().convert("P"), "PNG", transparency=1)
    webp = encoded(quarters().convert("RGBA"), "WEBP", lossless=False)
    lossless = encoded(quarters(), "WEBP", lossless=True)
    items = [picture_item(coded(Image.new("RGB", (64, 64), colour), "HEIF")) for colour in ("red", "blue")]
    heic = file_of([*items, grid_item(1, 2, (128, 64), [1, 2])], primary=3)
    avif = encoded(quarters(), "AVIF")
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
    return {
        "JPEG": [b"\xff\xd8", *(b"\xff" + part for part in jpeg.split(b"\xff")[2:]), b"\xff\xe1\0\x24" + exif],
        "PNG": [png[:8], png[8:33], *split_chunks(png), chunk(b"eXIf", exif[6:])],
        "WebP": [webp[:12], webp[12:30], webp[30:], lossless[12:], b"EXIF\x20\0\0\0" + exif, b"ANMF" + bytes(20)],
        "HEIC": [heic[at : at + 40] for at in range(0, 1_200, 40)] + [heic[1_200:]],
        "AVIF": [avif[at : at + 40] for at in range(0, 400, 40)] + [avif[400:]],
    }


def split_chunks(png: bytes) -> list[bytes]:
    """The chunks of a PNG after its header."""
    chunks, at = [], 33
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big") + 12
        chunks.append(png[at : at + length])
        at += length
    return chunks


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """The pieces of one format in their order, some left out, repeated, exchanged or damaged."""
    parts = list(pieces()[draw(st.sampled_from(sorted(pieces())))])
    for _ in range(draw(st.integers(0, 4))):
        at, other = draw(st.integers(0, len(parts) - 1)), draw(st.integers(0, len(parts) - 1))
        match draw(st.sampled_from(["leave out", "repeat", "exchange", "overwrite", "insert", "cut", "number"])):
            case "leave out":
                parts[at] = b""
            case "repeat":
                parts[at] = parts[at][: LARGEST // 2_000] * draw(st.sampled_from([2, 65, 2_000]))
            case "exchange":
                parts[at], parts[other] = parts[other], parts[at]
            case "overwrite":
                place = draw(st.integers(0, max(0, len(parts[at]) - 1)))
                damage = draw(st.binary(min_size=1, max_size=4))
                parts[at] = parts[at][:place] + damage + parts[at][place + len(damage) :]
            case "insert":
                parts[at] += draw(st.binary(max_size=16)) * draw(st.sampled_from([1, 1_000]))
            case "cut":
                parts[at] = parts[at][: draw(st.integers(0, len(parts[at])))]
            case "number":
                place = draw(st.integers(0, max(0, len(parts[at]) - 4)))
                number = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xff\xff"]))
                parts[at] = parts[at][:place] + number + parts[at][place + 4 :]
    return b"".join(parts)[:LARGEST]


def forget_peak() -> None:
    """Begin to measure memory anew, where the system can (proc(5): 5 resets the peak resident set size)."""
    if CLEAR.exists():
        CLEAR.write_text("5")


def peak_mebibytes() -> int:
    """The most memory that this process has held since then; elsewhere than on Linux, nothing is known."""
    status = Path("/proc/self/status")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024 if status.exists() else 0


@pytest.mark.timeout(60 * MINUTES + 300)
def test_whatever_a_file_is_put_together_from_it_is_taken_or_refused() -> None:
    """Until the time is up, no file ends in another error, takes a second of CPU or 300 MiB."""
    pieces()
    ends = time.monotonic() + 60 * MINUTES
    count = refused = 0

    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=not MINUTES,
    )
    @given(files())
    def one(data: bytes) -> None:
        nonlocal count, refused
        forget_peak()
        before, started = peak_mebibytes(), time.process_time()
        try:
            normalise(data)
        except InvalidImageError:
            refused += 1
        count += 1
        assert time.process_time() - started < MAX_CPU_SECONDS
        assert peak_mebibytes() - before < MAX_MEBIBYTES

    one()
    while time.monotonic() < ends:
        one()

    print(f"{count} files, {refused} of them refused")
    assert 0 < refused < count
