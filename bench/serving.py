"""The endpoint server beside LitServe, BentoML and FastAPI with the same model: `python -m bench.serving [--json]`.

Every server gets the same small PNGs over keep-alive connections, decodes them with the same code, predicts with the
same session on as many threads or processes, and takes its turn in every round. Other work on the machine only ever
slows, so each is judged by its best round; the median shows how far the rounds lie apart. The limit beside them is a
loop that decodes and predicts with no server, on as many cores: no server can answer more. The clients take their
share of the same cores, from every server alike.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from local import processes
from local.container import PREDICTING_THREADS
from training.artefact import DEFAULT_MODEL
from training.sagemaker.entry import unpack
from vehiclevision.image_gate import normalise

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / ".venv-bench/bin"
HOST = "127.0.0.1"
CLIENTS = (1, 8, 32)
ROUNDS = 4
SECONDS = 1.0
START_SECONDS = 120.0
PICTURES = 16
# A loop that gets less of a core than this has not been alone.
QUIET_SHARE = 0.9
OURS = "VehicleVision"
MODEL = "model"
LIMIT = "no server (limit)"
BOUNDARY = "picture"
console = Console(stderr=True)


@dataclass(frozen=True)
class Server:
    """A server under test: how it starts ({port} is filled in), and how it takes a picture."""

    name: str
    command: Sequence[str]
    path: str = "/invocations"
    form: str = ""


RIVALS = (
    Server("FastAPI, threads", (f"{BENCH}/uvicorn", "bench.rivals.with_fastapi:app", "--port", "{port}"), "/threads"),
    Server(
        "FastAPI, processes",
        (f"{BENCH}/uvicorn", "bench.rivals.with_fastapi:app", "--port", "{port}", "--workers", str(PREDICTING_THREADS)),
        "/processes",
    ),
    Server("LitServe", (f"{BENCH}/python", "-m", "bench.rivals.with_litserve", "{port}")),
    Server(
        "BentoML",
        (f"{BENCH}/bentoml", "serve", "bench.rivals.with_bentoml:Classifier", "--host", HOST, "--port", "{port}"),
        form="image",
    ),
)
OWN = Server(OURS, ("env", "SAGEMAKER_BIND_TO_PORT={port}", sys.executable, "-m", "container.serve", "serve"))
NOTHING = Server("nothing", (f"{BENCH}/python", "-m", "bench.rivals.nothing", "{port}"))


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    server: Server
    port: int
    pid: int


# ---- what is asked -------------------------------------------------------------------------------


def pictures() -> list[bytes]:
    """What the first step of the workflow hands on for photos: several different ones."""
    found = []
    for number in range(PICTURES):
        noise = Image.effect_noise((640, 480), 20 + 5 * number).convert("RGB")
        scene = Image.radial_gradient("L").resize((640, 480)).rotate(20 * number).convert("RGB")
        photo = BytesIO()
        Image.blend(noise, scene, 0.7).save(photo, "JPEG", quality=85)
        found.append(normalise(photo.getvalue()).png)
    return found


def body_of(server: Server, picture: bytes) -> tuple[str, bytes]:
    """Content type and body of a request."""
    if not server.form:
        return "image/png", picture
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{server.form}"; filename="a.png"\r\n'
    body = f"{head}Content-Type: image/png\r\n\r\n".encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    return f"multipart/form-data; boundary={BOUNDARY}", body


def request(server: Server, picture: bytes) -> bytes:
    """A whole HTTP request."""
    content_type, body = body_of(server, picture)
    head = f"POST {server.path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ask(server: Server, port: int, picture: bytes) -> list[float]:
    """One answer."""
    content_type, body = body_of(server, picture)
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", server.path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        text = answer.read()
    if answer.status != 200:
        raise OSError(f"it answered {answer.status} {text[:200]!r}")
    found: list[float] = json.loads(text)
    return found


# ---- servers -------------------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the person's own but where programs lie, and nothing that would call home."""
    return {
        "PATH": f"{BENCH}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
        "BENCH_THREADS": str(PREDICTING_THREADS),
        "SM_MODEL_DIR": str(folder / MODEL),
        "VEHICLEVISION_HOST": HOST,
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
        "DO_NOT_TRACK": "1",
        # Whatever should try the network all the same ends at a closed port.
        "http_proxy": f"http://{HOST}:9",
        "https_proxy": f"http://{HOST}:9",
        "no_proxy": f"{HOST},localhost",
    }


@contextlib.contextmanager
def started(server: Server, folder: Path) -> Iterator[Running]:
    """A server, from its start to its end."""
    port = processes.remembered_port(processes.Server(server.name, folder / server.name))
    log = folder / f"{server.name}.log"
    with log.open("wb") as file:
        command = [part.replace("{port}", str(port)) for part in server.command]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(folder), stdout=file, stderr=file, start_new_session=True
        )
    try:
        await_answer(server, port, process, log)
        yield Running(server, port, process.pid)
    finally:
        end(process)


def await_answer(server: Server, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once it answers a picture; OSError when it ends or stays silent."""
    deadline, picture, said = time.monotonic() + START_SECONDS, pictures()[0], ""
    while time.monotonic() < deadline and process.poll() is None:
        try:
            ask(server, port, picture)
        except (OSError, http.client.HTTPException) as error:
            said = str(error)
            time.sleep(0.2)
        else:
            return
    raise OSError(f"it does not serve ({processes.tail(log, 1) or said})")


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a server and all that it started, some of it in sessions of its own."""
    family = descendants(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """The process and all below it."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its in parents if its == parent]
    return found


# ---- measuring -----------------------------------------------------------------------------------


def drive(running: Running, clients: int, requests: Sequence[bytes]) -> dict[str, Any]:
    """One turn of one server."""
    command = [f"{BENCH}/python", "-m", "bench.load", str(running.port), str(running.pid), str(clients), str(SECONDS)]
    text = json.dumps([base64.b64encode(data).decode() for data in requests])
    found = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=120, check=False)
    if found.returncode != 0:
        raise SystemExit(f"{running.server.name} with {clients} clients: {found.stderr.strip()[-300:]}")
    result: dict[str, Any] = json.loads(found.stdout)
    return result


def limit(count: int, folder: Path, sent: Sequence[bytes]) -> tuple[float, float]:
    """Images per second of this many loops at once, in processes of their own, and the share of a core each got."""
    command = [f"{BENCH}/python", "-m", "bench.rivals.loop", str(SECONDS)]
    loops = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    text = json.dumps([base64.b64encode(data).decode() for data in sent])
    try:
        for loop in loops:
            assert loop.stdin is not None  # noqa: S101 - tells the type checker
            loop.stdin.write(f"{text}\n")
            loop.stdin.flush()
        for loop in loops:
            assert loop.stdout is not None  # noqa: S101 - tells the type checker
            loop.stdout.readline()
        for loop in loops:
            assert loop.stdin is not None  # noqa: S101 - tells the type checker
            loop.stdin.write("\n")
            loop.stdin.flush()
        said = [loop.communicate(timeout=60)[0].split() for loop in loops]
        return sum(float(rate) for rate, _ in said), statistics.mean(float(share) for _, share in said)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(found: list[Running], folder: Path, sent: Sequence[bytes]) -> list[dict[str, Any]]:
    """All rounds: a line for each server and number of clients."""
    turns: dict[tuple[str, int], list[dict[str, Any]]] = {}
    limits: dict[int, list[tuple[float, float]]] = {clients: [] for clients in CLIENTS}
    requests = {running.server.name: [request(running.server, picture) for picture in sent] for running in found}
    for number in range(ROUNDS):
        for clients in CLIENTS:
            console.print(f"round {number + 1} of {ROUNDS}, {clients} clients")
            limits[clients].append(limit(min(clients, PREDICTING_THREADS), folder, sent))
            for running in found[number % len(found) :] + found[: number % len(found)]:
                turn = drive(running, clients, requests[running.server.name])
                turns.setdefault((running.server.name, clients), []).append(turn)
    lines = []
    for clients in CLIENTS:
        rates = [rate for rate, _ in limits[clients]]
        raw = max(rates)
        share = statistics.median(share for _, share in limits[clients])
        lines += [line(running.server.name, clients, turns[running.server.name, clients], raw) for running in found]
        lines.append(
            {
                "clients": clients,
                "server": LIMIT,
                "images_per_second": raw,
                "median_images_per_second": statistics.median(rates),
                "of_limit": 1.0,
                "core_share": share,
            }
        )
    return lines


def line(name: str, clients: int, turns: Sequence[Mapping[str, Any]], raw: float) -> dict[str, Any]:
    """What the rounds of one server with this many clients come to."""
    best = max(turns, key=lambda turn: float(turn["rate"]))
    latencies = sorted(best["microseconds"])
    return {
        "clients": clients,
        "server": name,
        "images_per_second": best["rate"],
        "median_images_per_second": statistics.median(turn["rate"] for turn in turns),
        "of_limit": best["rate"] / raw,
        "p50_ms": latencies[len(latencies) // 2] / 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] / 1000,
        "cpu_ms_per_image": best["cpu_ms"],
        "memory_mib": max(turn["memory_mib"] for turn in turns),
    }


def compare(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Ours as a multiple of the best other, for each number of clients."""
    found = []
    for clients in CLIENTS:
        rates = {at["server"]: at["images_per_second"] for at in lines if at["clients"] == clients}
        own, raw = rates.pop(OURS), rates.pop(LIMIT)
        if rates:
            best = max(rates, key=lambda name: rates[name])
            times, possible = own / rates[best], raw / rates[best]
            found.append({"clients": clients, "best_other": best, "times": times, "possible_times": possible})
    return found


def report(lines: Sequence[Mapping[str, Any]], ratios: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> None:
    """A table, and what it comes to."""
    title = (
        f"Endpoint servers, {PREDICTING_THREADS} threads or processes each, best of {ROUNDS} rounds of {SECONDS:.0f} s"
    )
    table = Table(title=title, box=box.SIMPLE)
    for column in ("clients", "server", "images/s", "median", "of limit", "p50 ms", "p99 ms", "CPU ms", "MiB"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for at in lines:
        row = [str(at["clients"]), at["server"], f"{at['images_per_second']:.0f}"]
        row += [f"{at['median_images_per_second']:.0f}", f"{at['of_limit']:.0%}"]
        if at["server"] != LIMIT:
            row += [f"{at['p50_ms']:.1f}", f"{at['p99_ms']:.1f}", f"{at['cpu_ms_per_image']:.2f}"]
            row.append(f"{at['memory_mib']:.0f}")
        table.add_row(*row, end_section=at["server"] == LIMIT)
    screen = Console() if sys.stdout.isatty() else Console(width=100)
    screen.print(table)
    for at in ratios:
        screen.print(
            f"{at['clients']} clients: {at['times']:.2f} times {at['best_other']}, the best of the others; "
            f"a server that costs nothing would reach {at['possible_times']:.2f} times."
        )
    for text in notes:
        screen.print(text)


def main(arguments: list[str]) -> None:
    """Start all, compare their answers, measure in turns, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    if not (BENCH / "python").exists():
        raise SystemExit("The other servers are not installed. Install them with: make .venv-bench/.ready")
    # Ended from outside, it ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sent, notes = pictures(), []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        with started(NOTHING, folder) as nothing:
            ceiling = drive(nothing, max(CLIENTS), [request(nothing.server, sent[0])])["rate"]
        console.print(f"the clients themselves can ask {ceiling:.0f} times a second")
        unpack(DEFAULT_MODEL, folder / MODEL)
        found = [stack.enter_context(started(OWN, folder))]
        expected = [ask(found[0].server, found[0].port, picture) for picture in sent]
        for server in RIVALS:
            console.print(f"starting {server.name}")
            try:
                running = stack.enter_context(started(server, folder))
            except OSError as error:
                notes.append(f"{server.name} is left out: {error}.")
                continue
            answers = [ask(server, running.port, picture) for picture in sent]
            apart = max(
                abs(a - b) for one, two in zip(answers, expected, strict=True) for a, b in zip(one, two, strict=True)
            )
            if apart > 1e-5:
                raise SystemExit(f"{server.name} answers otherwise: {apart} apart.")
            found.append(running)
        lines = measure(found, folder, sent)
    ratios = compare(lines)
    if (share := min(at.get("core_share", 1.0) for at in lines)) < QUIET_SHARE:
        notes.append(
            f"The machine was busy with other work: a loop got {share:.0%} of a core. The rates then say little: "
            "compare the CPU time of an image, and measure again on a quiet machine."
        )
    if options.json:
        print(json.dumps({"ceiling": ceiling, "lines": lines, "ratios": ratios, "notes": notes}, indent=1))
    else:
        report(lines, ratios, notes)


if __name__ == "__main__":
    main(sys.argv[1:])
