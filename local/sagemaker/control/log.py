"""A training job's words into the local CloudWatch Logs, a batch at a time and never in the program's way."""

import contextlib
import sys
import threading
import time
from typing import Any

from botocore.exceptions import ClientError

from local.sagemaker.control.aws import FAULTS, Engine

GROUP = "/aws/sagemaker/TrainingJobs"
FLUSH_SECONDS = 0.5
MAX_BATCH_LINES = 1_000
MAX_BATCH_BYTES = 500_000
# A program that says more than this within one flush, or in all, loses the rest.
MAX_WAITING_LINES = 20_000
MAX_LINES = 1_000_000


class JobLog:
    """One log stream."""

    def __init__(self, engine: Engine, job: str) -> None:
        self._engine = engine
        self._stream = f"{job}/algo-1-{int(time.time())}"
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._made = False
        self._count = 0
        self._lost = 0
        self._closed = threading.Event()
        threading.Thread(target=self._flush_for_ever, daemon=True, name="log").start()

    def add(self, line: str) -> None:
        """Take a line; CloudWatch Logs takes no empty one."""
        with self._lock:
            if len(self._waiting) >= MAX_WAITING_LINES or self._count >= MAX_LINES:
                self._lost += 1
                return
            self._count += 1
            self._waiting.append({"timestamp": int(time.time() * 1000), "message": line or " "})

    def flush(self) -> None:
        """Send all that waits; what cannot be sent is kept for the next time."""
        with self._sending:
            while batch := self._next_batch():
                try:
                    self._send(batch)
                except FAULTS as error:
                    print(f"The log of {self._stream} waits: {error}", file=sys.stderr, flush=True)
                    with self._lock:
                        self._waiting[:0] = batch
                    return

    def close(self) -> None:
        """Send the rest and stop."""
        self._closed.set()
        if self._lost:
            message = f"{self._lost} lines were left out: the program said too much."
            self._waiting.append({"timestamp": int(time.time() * 1000), "message": message})
        self.flush()

    def _flush_for_ever(self) -> None:
        while not self._closed.wait(FLUSH_SECONDS):
            self.flush()

    def _next_batch(self) -> list[dict[str, Any]]:
        with self._lock:
            size, count = 0, 0
            for event in self._waiting[:MAX_BATCH_LINES]:
                size += len(event["message"]) * 4 + 26
                if size > MAX_BATCH_BYTES:
                    break
                count += 1
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _send(self, batch: list[dict[str, Any]]) -> None:
        logs = self._engine.client("logs")
        names = {"logGroupName": GROUP, "logStreamName": self._stream}
        if not self._made:
            for make, arguments in ((logs.create_log_group, {"logGroupName": GROUP}), (logs.create_log_stream, names)):
                with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                    make(**arguments)
            self._made = True
        try:
            logs.put_log_events(**names, logEvents=batch)
        except ClientError as error:
            # Deleted meanwhile: it is made again with the next batch.
            self._made = error.response["Error"]["Code"] != "ResourceNotFoundException"
            raise
