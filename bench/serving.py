"""The endpoint server beside LitServe, BentoML and FastAPI with the same model: `python -m bench.serving [--json]`.

Every server gets the same JPEGs over keep-alive connections, decodes them with the same code, predicts with the same
session on as many threads or processes, and takes its turn in every round. Other work on the machine only ever slows,
so each is judged by its best round; how far the ratios of single rounds lie apart is shown beside. The limit is a loop
that decodes and predicts with no server, on as many cores: no server can answer more. The clients take their share of
the same cores, which no server can give back: "less clients" is the share of what such a loop would reach beside them.

Rates of single turns are a lottery where other work takes the cores. What a picture takes of them is none: "of CPU" is
how much the loops took for one, as a share of what the server took in the same round, the median of all rounds.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import shutil
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

from bench.rivals import loop
from lifecycle.entry import unpack
from local import processes
from serving.container import PREDICTING_THREADS
from training.artefact import DEFAULT_MODEL
from vehiclevision.image_gate import normalise

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / ".venv-bench/bin"
HOST = "127.0.0.1"
CLIENTS = (1, 8, 32)
ROUNDS = 3
# A hundred pictures a second, and at 32 clients a third of a second until all have been answered once.
SECONDS = 3.0
START_SECONDS = 120.0
PICTURES = 16
# A loop that gets less of a core than this has not been alone.
QUIET_SHARE = 0.9
OURS = "VehicleVision"
MODEL = "model"
PACKED = "model.tar.gz"
LIMIT = "no server (limit)"
BOUNDARY = "picture"
COLUMNS = (
    *("clients", "server", "images/s", "of limit", "less clients", "rounds", "CPU ms", "of CPU"),
    *("p50 ms", "p99 ms", "MiB", "largest"),
)

Line = Mapping[str, Any]
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
OWN = Server(OURS, ("env", "SAGEMAKER_BIND_TO_PORT={port}", sys.executable, "-m", "serving.serve", "serve"))
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
    encoded = []
    for number in range(PICTURES):
        noise = Image.effect_noise((640, 480), 20 + 5 * number).convert("RGB")
        scene = Image.radial_gradient("L").resize((640, 480)).rotate(20 * number).convert("RGB")
        photo = BytesIO()
        Image.blend(noise, scene, 0.7).save(photo, "JPEG", quality=85)
        encoded.append(normalise(photo.getvalue()).jpeg)
    return encoded


def body_of(server: Server, picture: bytes) -> tuple[str, bytes]:
    """Content type and body of a request."""
    if not server.form:
        return "image/jpeg", picture
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{server.form}"; filename="a.jpg"\r\n'
    body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
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
    probabilities: list[float] = json.loads(text)
    return probabilities


# ---- servers -------------------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the person's own but where programs lie, and nothing that would call home."""
    return {
        "PATH": f"{BENCH}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
        "BENCH_THREADS": str(PREDICTING_THREADS),
        "BENCH_MODEL": str(folder / PACKED),
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
    port = processes.remembered_port(processes.Server(server.name, folder, server.name, ""))
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
    family = [pid]
    for parent in family:
        family += [child for child, its in parents if its == parent]
    return family


# ---- measuring -----------------------------------------------------------------------------------


def drive(running: Running, clients: int, requests: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """One turn of one server."""
    command = [f"{BENCH}/python", "-m", "bench.load", str(running.port), str(running.pid), str(clients), str(seconds)]
    text = json.dumps([base64.b64encode(data).decode() for data in requests])
    load = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=120, check=False)
    if load.returncode != 0:
        raise SystemExit(f"{running.server.name} with {clients} clients: {load.stderr.strip()[-300:]}")
    result: dict[str, Any] = json.loads(load.stdout)
    return result


def measure(servers: list[Running], folder: Path, sent: Sequence[bytes], rounds: int, seconds: float) -> list[Line]:
    """All rounds: a line for the limit and each server, for each number of clients."""
    turns: dict[tuple[int, str], list[dict[str, Any]]] = {}
    requests = {running.server.name: [request(running.server, picture) for picture in sent] for running in servers}
    for number in range(rounds):
        for clients in CLIENTS:
            console.print(f"round {number + 1} of {rounds}, {clients} clients")
            loops = min(clients, PREDICTING_THREADS)
            each = loop.rates(loops, folder / PACKED, sent, seconds)
            rate, share = sum(rate for rate, _ in each), statistics.mean(share for _, share in each)
            raw = {"rate": rate, "core_share": share, "cpu_ms": 1000 * share * loops / rate}
            turns.setdefault((clients, LIMIT), []).append(raw)
            for running in servers[number % len(servers) :] + servers[: number % len(servers)]:
                turn = drive(running, clients, requests[running.server.name], seconds)
                turns.setdefault((clients, running.server.name), []).append(turn)
    return [line(clients, name, each, turns[clients, LIMIT]) for (clients, name), each in sorted(turns.items())]


def line(clients: int, name: str, turns: Sequence[Mapping[str, Any]], limits: Sequence[Mapping[str, Any]]) -> Line:
    """What the rounds of one server, or of the limit, with this many clients come to."""
    best = max(turns, key=lambda turn: float(turn["rate"]))
    shares = [turn["rate"] / raw["rate"] for turn, raw in zip(turns, limits, strict=True)]
    of_cpu = [raw["cpu_ms"] / turn["cpu_ms"] for turn, raw in zip(turns, limits, strict=True)]
    summary = {
        "clients": clients,
        "server": name,
        "images_per_second": best["rate"],
        "rates": [turn["rate"] for turn in turns],
        "of_limit": best["rate"] / max(raw["rate"] for raw in limits),
        "less_clients": best["rate"] / max(beside(best.get("client_ms", 0.0), raw) for raw in limits),
        "of_limit_rounds": [min(shares), max(shares)],
        "of_cpu": statistics.median(of_cpu),
        "cpu_ms_per_image": statistics.median(turn["cpu_ms"] for turn in turns),
    }
    if name == LIMIT:
        return {**summary, "core_share": statistics.median(turn["core_share"] for turn in turns)}
    latencies = sorted(best["microseconds"])
    return {
        **summary,
        "p50_ms": latencies[len(latencies) // 2] / 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] / 1000,
        "memory_mib": max(turn["memory_mib"] for turn in turns),
        "largest_process_mib": max(turn["largest_process_mib"] for turn in turns),
    }


def beside(client_ms: float, limit: Mapping[str, Any]) -> float:
    """Images a second of the loops, if for each a client took its time of the same cores as well."""
    return float(limit["rate"] * limit["cpu_ms"] / (limit["cpu_ms"] + client_ms))


def compare(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Ours as a multiple of the best other, for each number of clients: the best rounds, and round by round."""
    ratios = []
    for clients in CLIENTS:
        servers = {at["server"]: at for at in lines if at["clients"] == clients}
        own, raw = servers.pop(OURS), servers.pop(LIMIT)
        if servers:
            best = max(servers.values(), key=lambda at: float(at["images_per_second"]))
            others = (max(rates) for rates in zip(*(at["rates"] for at in servers.values()), strict=True))
            rounds = [rate / other for rate, other in zip(own["rates"], others, strict=True)]
            ratios.append(
                {
                    "clients": clients,
                    "best_other": best["server"],
                    "times": own["images_per_second"] / best["images_per_second"],
                    "times_rounds": [min(rounds), max(rounds)],
                    "possible_times": raw["images_per_second"] / best["images_per_second"],
                }
            )
    return ratios


def report(lines: Sequence[Line], ratios: Sequence[Mapping[str, Any]], notes: Sequence[str], title: str) -> None:
    """A table, and what it comes to."""
    table = Table(title=title, box=box.SIMPLE)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "server" else "right")
    for clients in CLIENTS:
        for at in (each for each in lines if each["clients"] == clients):
            least, most = at["of_limit_rounds"]
            row = [
                str(clients),
                at["server"],
                f"{at['images_per_second']:.0f}",
                f"{at['of_limit']:.0%}",
                f"{at['less_clients']:.0%}",
            ]
            row += [f"{least:.0%} to {most:.0%}", f"{at['cpu_ms_per_image']:.2f}", f"{at['of_cpu']:.0%}"]
            if at["server"] != LIMIT:
                row += [f"{at['p50_ms']:.1f}", f"{at['p99_ms']:.1f}"]
                row += [f"{at['memory_mib']:.0f}", f"{at['largest_process_mib']:.0f}"]
            table.add_row(*row)
        table.add_section()
    screen = Console() if sys.stdout.isatty() else Console(width=140)
    screen.print(table)
    for at in ratios:
        least, most = at["times_rounds"]
        screen.print(
            f"{at['clients']} clients: {at['times']:.2f} times ({least:.2f} to {most:.2f} round by round) "
            f"{at['best_other']}, the best of the others; a server that costs nothing would reach "
            f"{at['possible_times']:.2f} times."
        )
    for text in notes:
        screen.print(text)


def main(arguments: list[str]) -> None:
    """Start all, compare their answers, measure in turns, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="another model.tar.gz than the shipped one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one server in one round")
    options = parser.parse_args(arguments)
    if not (BENCH / "python").exists():
        raise SystemExit("The other servers are not installed. Install them with: make .venv-bench/.ready")
    # Ended from outside, it ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sent, notes = pictures(), []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        with started(NOTHING, folder) as nothing:
            ceiling = drive(nothing, max(CLIENTS), [request(nothing.server, sent[0])], 1.0)["rate"]
        console.print(f"the clients themselves can ask {ceiling:.0f} times a second")
        shutil.copy(options.model, folder / PACKED)
        unpack(options.model, folder / MODEL)
        servers = [stack.enter_context(started(OWN, folder))]
        expected = [ask(servers[0].server, servers[0].port, picture) for picture in sent]
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
            servers.append(running)
        lines = measure(servers, folder, sent, options.rounds, options.seconds)
    ratios = compare(lines)
    if (share := min(at.get("core_share", 1.0) for at in lines)) < QUIET_SHARE:
        notes.append(
            f"The machine was busy with other work: a loop got {share:.0%} of a core. The rates then say little, "
            'for whoever has more processes gets more of it: go by "of CPU", or measure again on a quiet machine.'
        )
    if options.json:
        print(json.dumps({"ceiling": ceiling, "lines": lines, "ratios": ratios, "notes": notes}, indent=1))
    else:
        title = (
            f"Endpoint servers, {PREDICTING_THREADS} threads or processes each, "
            f"best of {options.rounds} rounds of {options.seconds:g} s"
        )
        report(lines, ratios, notes, title)


if __name__ == "__main__":
    main(sys.argv[1:])
