"""The AWS engine: MiniStack as a server process of ours, on loopback, with its state under one folder.

Run as `python -m local.engine.process …` it is the server process itself; imported, it starts and stops one.
"""

import argparse
import importlib.metadata
import os
import sys
import sysconfig
import threading
from collections.abc import Mapping
from pathlib import Path

from local import credentials, processes
from local.credentials import Credentials
from local.door import Door, Paths
from local.engine.journal import Journal
from local.engine.lambda_worker.runtime_client import WORKER_SECRET
from local.place import CHECKOUT, INHERITED, MINISTACK_VERSION, REGION
from local.processes import HOST, Launch, Server

# A folder; each engine then writes into it which calls roles made.
CALLS_VARIABLE = "VEHICLEVISION_CALLS"
WORKER = Path(__file__).parent / "lambda_worker" / "run.py"
HEALTH = "/_ministack/health"
# MiniStack's own management: to look at its parts, to change its settings, to erase everything.
PATHS = Paths(
    unsigned=frozenset({("GET", HEALTH)}),
    unsigned_below=(
        *(("PUT", "/_ministack/cfn-response/"), ("PUT", "/_ministack/cfn-signal/")),
        # An API's own authorizers say who may ask it, as in AWS; a token stands where a signature would.
        *((method, "/_aws/execute-api/") for method in ("GET", "POST")),
        # The public keys of a user pool, which begins with the region; no bucket can be called so.
        ("GET", f"/{REGION}_"),
    ),
    closed=("/_ministack/", "/_localstack/", "/health"),
)


def server(directory: Path) -> Server:
    """The engine of one state folder."""
    return Server("local AWS engine", directory / "engine", HEALTH, stop_seconds=20.0)


def start(directory: Path) -> str:
    """Start the engine unless it runs; returns its URL once it answers."""
    return launch(directory).ready()


def launch(directory: Path) -> Launch:
    """Start the engine unless it runs, without waiting for it."""
    own = server(directory)
    record = processes.running(own)
    if record is not None:
        return Launch(own, None, record["port"])
    port = processes.remembered_port(own)
    arguments = ["--directory", str(directory), "--port", str(port)]
    settings = environment(os.environ, own.directory, port, credentials.of(directory))
    Path(settings["TMPDIR"]).mkdir(parents=True, exist_ok=True)
    process = processes.start(own, "local.engine.process", arguments, settings, CHECKOUT)
    return Launch(own, process, port)


def stop(directory: Path) -> None:
    """Stop the engine with everything it started; its state stays."""
    processes.stop(server(directory))


def environment(own: Mapping[str, str], directory: Path, port: int, root: Credentials) -> dict[str, str]:
    """The engine's whole environment, which its Lambda workers inherit."""
    return {
        **{name: own[name] for name in (*INHERITED, CALLS_VARIABLE) if name in own},
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(directory / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(directory / "objects"),
        "TMPDIR": str(directory / "tmp"),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{directory}/no-docker-here",
        "LOG_LEVEL": "WARNING",
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": root.access_key_id,
        "AWS_SECRET_ACCESS_KEY": root.secret_access_key,
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "VEHICLEVISION_LAMBDA_PYTHON": sys.executable,
        WORKER_SECRET: root.worker_secret,
        "VEHICLEVISION_LAMBDA_WORKER": str(WORKER),
        "VEHICLEVISION_LAMBDA_SITE_PACKAGES": sysconfig.get_path("purelib"),
    }


# ---- the server process --------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.engine.process")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    options = parser.parse_args(arguments)
    own = server(options.directory)
    processes.serve_alone(own, {"port": options.port})
    processes.follow(options.lifeline)

    refuse_other_versions(importlib.metadata.version("ministack"))
    from ministack import app  # noqa: PLC0415 - it takes a second, and its settings from the environment

    from local.engine import patches, saving  # noqa: PLC0415 - they need the above
    from local.engine.patches import cloudwatch, eventbridge, iam, lambda_functions, s3, stepfunctions  # noqa: PLC0415

    journal = Journal(own.directory / "journal.sqlite3")
    root = credentials.of(options.directory)
    patches.apply(workers_per_function(), journal, root, options.directory)
    if folder := os.environ.get(CALLS_VARIABLE):
        iam.note_calls(Path(folder) / f"calls.{options.port}.jsonl")
    saving.restore_from(journal)
    saver = saving.Saver(journal)
    app.app = Door(saver.watch(app.app), root, options.port, PATHS, lambda key: iam.secret_of(key, root))

    def resume_and_save() -> None:
        processes.await_answer(own, None, f"http://{HOST}:{options.port}{HEALTH}", processes.START_SECONDS)
        s3.resume_events(journal)
        eventbridge.resume_invocations(journal)
        stepfunctions.resume_executions(journal)
        saver.run()

    threading.Thread(target=resume_and_save, daemon=True, name="saver").start()
    threading.Thread(target=lambda_functions.delete_old_code, daemon=True, name="old code").start()
    threading.Thread(target=cloudwatch.watch, daemon=True, name="alarms").start()
    sys.argv = ["ministack"]
    try:
        app.main()
    finally:
        saver.save_at_the_end()
        processes.end_group(0)


def refuse_other_versions(version: str) -> None:
    """Patches reach into internals, so they hold for one version only."""
    if version != MINISTACK_VERSION:
        raise SystemExit(f"MiniStack {version} is installed, but {MINISTACK_VERSION} is needed: run `make setup`")


def workers_per_function() -> int:
    """How many invocations of one function run at a time; further ones wait their turn."""
    return int(os.environ.get("VEHICLEVISION_WORKERS") or (os.cpu_count() or 2) + 1)


if __name__ == "__main__":
    main(sys.argv[1:])
