"""Photos of another bucket through `vehiclevision backfill`'s own code: `python -m bench.backfill [--photos N]`.

A local AWS of its own is started, N photos are put into a bucket that the application does not own, and gone through
twice: the first time all are new, the second time all are recorded. Then a million is reckoned from what was measured:
batches of fifty in so many lanes, each taking as long as one that was measured here, drawn at random. AWS is another
machine than this one, on which more lanes do not slow each other down: the reckoning says how batches fill their lanes,
and its seconds are this machine's.
"""

import argparse
import heapq
import os
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.tables import table
from bench.workflow import UPLOADS_AT_A_TIME, photo
from cli import backfilling
from cli.backfilling import BATCH, Source
from cli.sam import Deployer
from cli.target import DIRECTORY_VARIABLE, Target, local_target
from local import stack
from vehiclevision.storage import listed

BUCKET: Final = "photos-of-before"
MILLION: Final = 1_000_000
TOLD_EVERY: Final = 1_000
LANES: Final = (1, 4, 20)
console = Console(stderr=True)


def fill(target: Target, count: int) -> None:
    """Put so many photos into another bucket."""
    s3, data = target.client("s3"), photo()
    s3.create_bucket(Bucket=BUCKET)
    with ThreadPoolExecutor(UPLOADS_AT_A_TIME) as pool:
        for _ in pool.map(lambda number: s3.put_object(Bucket=BUCKET, Key=f"{number}.jpg", Body=data), range(count)):
            pass


def gone_through(target: Target, machine: str, source: Source) -> tuple[float, dict[str, int], list[float]]:
    """How many seconds it took, what became of the photos, and how long each batch took."""
    began = time.monotonic()
    execution = backfilling.start(target, machine, source, BATCH)
    told = 0
    for seen in backfilling.follow(target, execution):
        if seen.worked_off >= told + TOLD_EVERY:
            told = seen.worked_off
            console.print(f"{told:,} after {time.monotonic() - began:,.0f} s")
    took = time.monotonic() - began
    return took, backfilling.results(target, execution), seconds_of_batches(target, execution)


def seconds_of_batches(target: Target, execution: str) -> list[float]:
    """How long each batch took."""
    states = target.client("stepfunctions")
    (run,) = states.list_map_runs(executionArn=execution)["mapRuns"]
    batches = listed(states, "list_executions", "executions", mapRunArn=run["mapRunArn"])
    return [(each["stopDate"] - each["startDate"]).total_seconds() for each in batches]


def simulated(photos: int, lanes: int, seconds: Sequence[float], seed: int = 7) -> float:
    """Hours for so many photos in so many lanes of batches, each of which takes as long as one that was measured."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    free = [0.0] * lanes
    for _ in range(0, photos, BATCH):
        heapq.heappush(free, heapq.heappop(free) + draw.choice(seconds))
    return max(free) / 3600


def main() -> None:
    """Measure, reckon, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000)
    count = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder).resolve()
        os.environ[DIRECTORY_VARIABLE] = str(directory)
        target = local_target(stack.start(directory, progress=console.print))
        try:
            console.print(f"Putting {count:,} photos into another bucket")
            fill(target, count)
            source = Source(BUCKET, "", count)
            machine = backfilling.deploy(Deployer(target), source)
            console.print("Going through them, then once more")
            first, came, batches = gone_through(target, machine, source)
            again, left_alone, _ = gone_through(target, machine, source)
        finally:
            stack.stop(directory)
    runs = (("all new", came["done"], first), ("all recorded", left_alone["recorded_before"], again))
    rows = [(name, f"{photos:,}", f"{seconds:,.0f}", f"{photos / seconds:,.1f}") for name, photos, seconds in runs]
    measured = table("measured, fifty at a time", ("", "photos", "seconds", "a second"), rows, words=("",))
    Console().print(measured, {name: number for name, number in came.items() if number})
    hours = [(str(lanes), f"{simulated(MILLION, lanes, batches):,.1f}") for lanes in LANES]
    Console().print(table("reckoned from that", ("lanes of fifty", "hours for a million"), hours))


if __name__ == "__main__":
    main()
