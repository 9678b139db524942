"""The AWS engine: MiniStack as a server process of ours, on loopback, with its state under one folder.

Run as `python -m local.engine.process …` it is the server process itself; imported, it starts and stops one.
"""

import importlib.metadata
import os
import sys
import sysconfig
import threading
from pathlib import Path

from local import credentials, processes
from local.door import Door, Paths
from local.engine.journal import Journal
from local.engine.lambda_worker.runtime_client import WORKER_SECRET
from local.place import INHERITED, MINISTACK_VERSION, REGION
from local.processes import HOST, Server

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


class Engine(Server):
    """The engine; what it is told, its Lambda workers inherit."""

    def environment(self, port: int) -> dict[str, str]:
        """MiniStack's settings, and no credentials but the state folder's own."""
        directory, root = self.directory, credentials.of(self.state)
        return {
            **{name: os.environ[name] for name in (*INHERITED, CALLS_VARIABLE) if name in os.environ},
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


def server(directory: Path) -> Engine:
    """The engine of one state folder."""
    module = "local.engine.process"
    return Engine("local AWS engine", directory, "engine", module, health=HEALTH, stop_seconds=20.0)


# ---- the server process --------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """Serve until told to stop."""
    directory, port = processes.begin(arguments, server)
    own = server(directory)
    Path(os.environ["TMPDIR"]).mkdir(parents=True, exist_ok=True)
    refuse_other_versions(importlib.metadata.version("ministack"))
    from ministack import app  # noqa: PLC0415 - it takes a second, and its settings from the environment

    from local.engine import patches, saving  # noqa: PLC0415 - they need the above
    from local.engine.patches import cloudwatch, eventbridge, iam, lambda_functions, s3, stepfunctions  # noqa: PLC0415

    journal = Journal(own.directory / "journal.sqlite3")
    root = credentials.of(directory)
    patches.apply(workers_per_function(), journal, root, directory)
    if folder := os.environ.get(CALLS_VARIABLE):
        iam.note_calls(Path(folder) / f"calls.{port}.jsonl")
    saving.restore_from(journal)
    saver = saving.Saver(journal)
    app.app = Door(saver.watch(app.app), root, port, PATHS, lambda key: iam.secret_of(key, root))

    def resume_and_save() -> None:
        processes.await_answer(own, None, f"http://{HOST}:{port}{HEALTH}", processes.START_SECONDS)
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
