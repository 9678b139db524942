"""Photos that come whether or not the last was answered: `python -m bench.arrivals [--seconds N] [RATE ...]`.

Clients that wait for an answer slow down with the server, and hide what a crowd meets. Here arrivals follow a Poisson
process at a rate that is given, and each latency counts from the moment at which the photo came. First the endpoint's
server alone, as SageMaker starts it, then the whole workflow on a local AWS: there every upload is joined with its
record in the end, and what has none is lost. The knee is the highest rate at which as much leaves as comes, with
nothing refused; auto scaling's target is told beside it.
"""

import argparse
import asyncio
import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.serving import HOST, MODEL, OWN, pictures, request, started
from bench.tables import table
from bench.workflow import photo
from lifecycle.endpoint import INVOCATIONS_PER_MINUTE
from lifecycle.entry import unpack
from local import stack
from local.deploy import client
from training.artefact import DEFAULT_MODEL

ENDPOINT_RATES: Final = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
WORKFLOW_RATES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
# As much leaves as comes: the last answer follows the last arrival within so many seconds, and a tenth of the time.
BEHIND_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 60.0
JOIN_SECONDS: Final = 600.0
UPLOADERS: Final = 64
COLUMNS: Final = ("a second", "sent", "done a second", "p50 s", "p95 s", "slowest s", "not done", "keeps up")
console = Console(stderr=True)


@dataclass(frozen=True)
class Crowd:
    """What became of the photos that came at one rate."""

    rate: float
    sent: int
    # Seconds from arrival to answer, or to record, of those that got one.
    latencies: Sequence[float]
    # What was refused or broke, by what was said.
    others: Counter[str]
    # How long after the last arrival the last answer came.
    behind: float
    span: float

    @property
    def keeps_up(self) -> bool:
        """Whether as much leaves as comes."""
        return not self.others and self.behind < max(BEHIND_SECONDS, self.span / 10)

    def row(self) -> tuple[str, ...]:
        """For the table."""
        done, ends = sorted(self.latencies), self.span + self.behind
        points = [f"{done[int(share * (len(done) - 1))]:.2f}" if done else "" for share in (0.5, 0.95, 1.0)]
        others = ", ".join(f"{count} {what}" for what, count in self.others.most_common()) or "none"
        answered = f"{len(done) / ends:.1f}" if done else "0"
        return (f"{self.rate:g}", str(self.sent), answered, *points, others, "yes" if self.keeps_up else "no")


def arrivals(rate: float, seconds: float, seed: int = 11) -> list[float]:
    """When photos come, in seconds from now: at random, so many a second on average."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    gaps = itertools.accumulate(iter(lambda: draw.expovariate(rate), None))
    return list(itertools.takewhile(lambda at: at < seconds, gaps))


# ---- the endpoint ----------------------------------------------------------------------------------------------------


async def asked(port: int, packet: bytes) -> str:
    """The status of one request on a connection of its own, or what broke."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(packet.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError) as error:
        return type(error).__name__
    return answer.partition(b"\r\n")[0].decode(errors="replace").partition(" ")[2]


async def endpoint_crowd(port: int, packets: Sequence[bytes], rate: float, seconds: float) -> Crowd:
    """Ask at the times of arrival, each answered or not."""
    times, began = arrivals(rate, seconds), time.perf_counter()
    latencies, others, last = list[float](), Counter[str](), 0.0

    async def one(at: float, packet: bytes) -> None:
        nonlocal last
        await asyncio.sleep(at - (time.perf_counter() - began))
        said = await asked(port, packet)
        now = time.perf_counter() - began
        if said.startswith("200"):
            latencies.append(now - at)
            last = max(last, now)
        else:
            others[said] += 1

    await asyncio.gather(*(one(at, packet) for at, packet in zip(times, itertools.cycle(packets), strict=False)))
    return Crowd(rate, len(times), latencies, others, max(0.0, last - times[-1]), times[-1])


def endpoint(rates: Sequence[float], seconds: float) -> Iterator[Crowd]:
    """The endpoint's server, one rate after the other, with a pause in which its queue empties."""
    packets = [request(OWN, picture) for picture in pictures()]
    with tempfile.TemporaryDirectory() as folder:
        unpack(DEFAULT_MODEL, Path(folder) / MODEL)
        with started(OWN, Path(folder)) as running:
            for rate in rates:
                console.print(f"{rate:g} pictures a second to the endpoint")
                yield asyncio.run(endpoint_crowd(running.port, packets, rate, seconds))
                time.sleep(2)


# ---- the workflow ----------------------------------------------------------------------------------------------------


def workflow(rates: Sequence[float], seconds: float) -> Iterator[Crowd]:
    """The whole way on a local AWS of its own, one rate after the other, each until all are recorded."""
    with tempfile.TemporaryDirectory() as folder:
        aws = stack.start(Path(folder), console.print)
        try:
            outputs, data = aws.outputs(), photo()
            workflow_crowd(aws, outputs, 1.0, 5.0, data)
            for rate in rates:
                console.print(f"{rate:g} uploads a second through the workflow")
                yield workflow_crowd(aws, outputs, rate, seconds, data)
        finally:
            stack.stop(Path(folder))


def workflow_crowd(aws: stack.LocalAws, outputs: dict[str, str], rate: float, seconds: float, data: bytes) -> Crowd:
    """Upload at the times of arrival, then join every version with its record."""
    s3, times, began = client("s3", aws.environment()), arrivals(rate, seconds), time.time()
    prefix = f"uploads/{time.time_ns()}"

    def upload(number: int) -> tuple[str, str]:
        time.sleep(max(0.0, times[number] - (time.time() - began)))
        key = f"{prefix}/{number}.jpg"
        return key, s3.put_object(Bucket=outputs["BucketName"], Key=key, Body=data)["VersionId"]

    with ThreadPoolExecutor(UPLOADERS) as pool:
        versions = list(pool.map(upload, range(len(times))))
    records = joined(client("dynamodb", aws.environment()), outputs, versions)
    ends = {number: _recorded(record) - began for number, record in records.items()}
    latencies = [end - times[number] for number, end in ends.items()]
    others = Counter(str(each["outcome"]["S"]) for each in records.values() if each["outcome"]["S"] == "FAILED")
    others.update({"lost": len(times) - len(records)} if len(records) < len(times) else {})
    return Crowd(rate, len(times), latencies, others, max(0.0, max(ends.values()) - times[-1]), times[-1])


def joined(dynamodb: Any, outputs: dict[str, str], versions: Sequence[tuple[str, str]]) -> dict[int, dict[str, Any]]:
    """The record of each version by its number, once all are there or patience has ended."""
    records: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + JOIN_SECONDS
    while len(records) < len(versions) and time.monotonic() < deadline:
        for number, (key, version) in enumerate(versions):
            name = {"object": {"S": f"{outputs['BucketName']}/{key}"}, "version_id": {"S": version}}
            if number not in records:
                item = dynamodb.get_item(TableName=outputs["ResultsTableName"], Key=name).get("Item")
                if item is None:
                    # They end about in order: those behind it have time.
                    time.sleep(0.5)
                    break
                records[number] = item
    return records


def _recorded(record: dict[str, Any]) -> float:
    return datetime.fromisoformat(record["recorded_at"]["S"]).timestamp()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each rate lasts")
    parser.add_argument("--only", choices=("endpoint", "workflow"))
    parser.add_argument("rates", type=float, nargs="*", help="photos a second")
    given = parser.parse_args()
    if given.only != "workflow":
        crowds = list(endpoint(given.rates or ENDPOINT_RATES, given.seconds))
        Console().print(table("The endpoint's server", COLUMNS, [crowd.row() for crowd in crowds]))
        kept = [crowd.rate for crowd in crowds if crowd.keeps_up]
        target = INVOCATIONS_PER_MINUTE / 60
        knee = f"{max(kept):g} a second" if kept else f"below {min(crowd.rate for crowd in crowds):g} a second"
        Console().print(f"Knee: {knee}, on this machine. Auto scaling's target is {target:g} a second an instance.")
    if given.only != "endpoint":
        rows = [crowd.row() for crowd in workflow(given.rates or WORKFLOW_RATES, given.seconds)]
        Console().print(table("The workflow", COLUMNS, rows))


if __name__ == "__main__":
    main()
