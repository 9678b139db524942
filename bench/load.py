"""Clients that ask one server as fast as it answers: `python -m bench.load PORT PID CLIENTS SECONDS < requests`.

Runs as a process of its own, and does next to nothing for a request, so that what is measured is the server. Standard
input is a JSON list of whole HTTP requests in base64; standard output is JSON: the rate, the latencies, and what the
server's processes and the clients themselves took.
"""

import asyncio
import base64
import contextlib
import functools
import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import cast

import psutil
import uvloop

HOST = "127.0.0.1"
WARM_UP_SECONDS = 0.5


class Client(asyncio.Protocol):
    """One keep-alive connection: the next request goes out as soon as the last answer is whole."""

    def __init__(self, requests: Iterator[bytes], latencies: list[tuple[float, float]]) -> None:
        self._requests = requests
        self._latencies = latencies
        self._received = b""
        self._sent_at = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._sent_at = time.perf_counter()
        self.transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Note the latency of a whole answer; anything but a 200 ends the measurement."""
        self._received += data
        head, blank_line, body = self._received.partition(b"\r\n\r\n")
        if not blank_line:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"the server answered {self._received[:200]!r}")
        now = time.perf_counter()
        self._latencies.append((now, now - self._sent_at))
        self._received = b""
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        """The server hung up, or this side did at the end."""
        self.closed.set_result(None)


def cost(pid: int) -> tuple[float, list[int]]:
    """CPU seconds so far of a server's processes together, and the memory of each in bytes."""
    leader = psutil.Process(pid)
    seconds, memory = 0.0, list[int]()
    for process in (leader, *leader.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
            memory.append(process.memory_info().rss)
    return seconds, memory


async def drive(port: int, pid: int, clients: int, seconds: float, requests: list[bytes]) -> dict[str, object]:
    """Ask for a while; only what falls after the warm-up counts."""
    loop, latencies = asyncio.get_running_loop(), list[tuple[float, float]]()
    clients_done = []
    for number in range(clients):
        turns = itertools.cycle(requests[number % len(requests) :] + requests[: number % len(requests)])
        clients_done.append((await loop.create_connection(functools.partial(Client, turns, latencies), HOST, port))[1])
    hung_up = [client.closed for client in clients_done]
    await asyncio.wait(hung_up, timeout=WARM_UP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    cpu_before, own_before, began = cost(pid)[0], time.process_time(), time.perf_counter()
    done, _ = await asyncio.wait(hung_up, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    ended, own_after, (cpu_after, memory) = time.perf_counter(), time.process_time(), cost(pid)
    if done:
        raise SystemExit("the server hung up")
    counted = [round(latency * 1e6) for at, latency in latencies if began <= at < ended]
    return {
        "rate": len(counted) / (ended - began),
        "microseconds": counted,
        "cpu_ms": 1000 * (cpu_after - cpu_before) / max(len(counted), 1),
        "client_ms": 1000 * (own_after - own_before) / max(len(counted), 1),
        "memory_mib": sum(memory) / 2**20,
        "largest_process_mib": max(memory) / 2**20,
    }


def main(arguments: list[str]) -> None:
    """Drive and print."""
    port, pid, clients, seconds = int(arguments[0]), int(arguments[1]), int(arguments[2]), float(arguments[3])
    requests = [base64.b64decode(text) for text in json.load(sys.stdin)]
    print(json.dumps(uvloop.run(drive(port, pid, clients, seconds, requests))))


if __name__ == "__main__":
    main(sys.argv[1:])
