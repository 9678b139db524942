"""What a check costs where there is much: `python -m bench.monitoring [--objects N]`.

So many captured objects of one line each, as behind a serverless endpoint, are listed a thousand a page and read by the
check's own code. Nothing is stored: a stand-in for S3's client makes up each page and each object, so
that the time is the check's own and not that of an S3. What AWS adds is told beside it: so many requests, at the
seconds for each that are given.
"""

import argparse
import base64
import io
import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from PIL import Image
from rich.console import Console
from rich.table import Table

from lifecycle.costs import prices
from monitoring.captures.drawn import Drawn
from monitoring.captures.source import Bucket, Window
from monitoring.summary import summarise
from vehiclevision.image_gate import encode
from vehiclevision.labels import MODEL_INPUT_SIDE

DAY: Final = datetime(2026, 11, 20, tzinfo=UTC)
PREFIX: Final = "capture/vehiclevision/AllTraffic/"
MINUTES: Final = 24 * 60
PAGE: Final = 1000
# What S3 takes for a page of a listing and for an object in the same region; the bench's own assumption.
PAGE_SECONDS: Final = 0.15
GET_SECONDS: Final = 0.05
PICTURES: Final = 50
READERS: Final = 8


class MadeUp:
    """As much of S3's client as a check uses; object n lies in minute n of the day, in proportion."""

    def __init__(self, objects: int) -> None:
        self._objects = objects
        self._lines = [_line(number) for number in range(PICTURES)]
        self.pages = self.gets = 0

    def get_paginator(self, _: str) -> "MadeUp":
        """Itself."""
        return self

    def paginate(self, *, Prefix: str, Delimiter: str = "", **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        """What lies directly below a prefix, or the day's objects."""
        if Delimiter:
            self.pages += 1
            below = f"{PREFIX}{DAY:%Y/%m/%d/}".removeprefix(Prefix).partition("/")[0]
            yield {"CommonPrefixes": [{"Prefix": f"{Prefix}{below}/"}]}
            return
        for page in range(0, self._objects, PAGE):
            self.pages += 1
            yield {"Contents": [self._entry(number) for number in range(page, min(page + PAGE, self._objects))]}

    def _entry(self, number: int) -> dict[str, Any]:
        at = DAY + timedelta(minutes=MINUTES * number / self._objects)
        return {"Key": f"{PREFIX}{at:%Y/%m/%d/%H/%M-%S}-{number:09}.jsonl", "Size": len(self._lines[number % PICTURES])}

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        """One captured request."""
        self.gets += 1
        number = int(Key[-15:-6])
        at = f"{DAY + timedelta(minutes=MINUTES * number / self._objects):%Y-%m-%dT%H:%M:%SZ}"
        content = self._lines[number % PICTURES].replace(b"TIME", at.encode()).replace(b"EVENT", f"{number}".encode())
        return {"ETag": "", "Body": io.BytesIO(content)}


def _line(number: int) -> bytes:
    """A captured request with a picture of the model's size, as our functions send them."""
    chance = random.Random(number)  # noqa: S311 - nothing secret
    shapes = Image.frombytes("RGB", (24, 24), chance.randbytes(24 * 24 * 3))
    picture = encode(shapes.resize((MODEL_INPUT_SIDE, MODEL_INPUT_SIDE), Image.Resampling.BICUBIC))
    sent = {"observedContentType": "image/jpeg", "mode": "INPUT", "encoding": "BASE64"}
    share = round(chance.betavariate(9, 1), 4)
    data = {
        "endpointInput": {**sent, "data": base64.b64encode(picture).decode()},
        "endpointOutput": {
            "observedContentType": "application/json", "mode": "OUTPUT", "encoding": "JSON",
            "data": json.dumps([share, round((1 - share) / 2, 4)]),
        },
    }  # fmt: skip
    metadata = {"eventId": "EVENT", "inferenceTime": "TIME"}
    return json.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}).encode() + b"\n"


def main() -> None:
    """Check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    count = parser.parse_args().objects
    s3 = MadeUp(count)
    drawn = Drawn(Bucket(s3, "captures", PREFIX))  # type: ignore[arg-type]
    before, began = time.process_time(), time.monotonic()
    summary = summarise(drawn, threshold=0.8, window=Window(DAY, DAY + timedelta(days=1)), workers=1)
    seconds, cpu = time.monotonic() - began, time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024) / 1024
    low, high = summary.drawn_interval or (summary.total.passed / summary.total.answered,) * 2
    known = prices()[1]
    requests = s3.pages * known["s3_put"].dollars + s3.gets * known["s3_get"].dollars
    waited = s3.pages * PAGE_SECONDS + s3.gets * GET_SECONDS / READERS
    table = Table("", "", title=f"A check of {count:,} captured objects")
    for name, value in (
        ("read", f"{summary.files:,}"),
        ("left out", f"{summary.files_left_out:,}"),
        ("share that passes", f"{summary.total.passed / summary.total.answered:.1%}, surely {low:.1%} to {high:.1%}"),
        ("processor", f"{cpu:.0f} s"),
        ("by the clock, here", f"{seconds:.0f} s"),
        ("most memory", f"{memory:.2f} GB"),
        ("pages listed, objects read", f"{s3.pages:,}, {s3.gets:,}"),
        ("S3's price", f"${requests:.4f} a check"),
        (f"S3's time, at {PAGE_SECONDS} s a page and {GET_SECONDS} s an object", f"{waited:.0f} s"),
    ):
        table.add_row(name, value)
    Console().print(table)


if __name__ == "__main__":
    main()
