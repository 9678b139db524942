"""A training job's words into the local CloudWatch Logs, a batch at a time and never in the program's way."""

import contextlib
import sys
import time
from typing import Any

from botocore.exceptions import ClientError

from local.sagemaker.control.aws import FAULTS, Engine
from local.sagemaker.waiting import Waiting
from vehiclevision.storage import code_of

GROUP = "/aws/sagemaker/TrainingJobs"
FLUSH_SECONDS = 0.5
MAX_BATCH_LINES = 1_000
MAX_BATCH_BYTES = 500_000
# A program that says more than this in all, or more than waits at a time, loses the rest.
MAX_LINES = 1_000_000

Event = dict[str, Any]


class JobLog(Waiting[Event]):
    """One log stream."""

    def __init__(self, engine: Engine, job: str) -> None:
        self._engine = engine
        self._stream = f"{job}/algo-1-{int(time.time())}"
        self._made = False
        self._count = 0
        self._left_out = 0
        super().__init__(f"The log of {self._stream}", self._send_all, FLUSH_SECONDS)

    def add(self, line: str) -> None:
        """Take a line; CloudWatch Logs takes no empty one."""
        if self._count < MAX_LINES and self.take(_event(line or " ")):
            self._count += 1
        else:
            self._left_out += 1

    def close(self) -> None:
        """Send the rest and stop."""
        if self._left_out:
            self.flush()
            self.take(_event(f"{self._left_out} lines were left out: the program said too much."))
        self.stop()

    def _send_all(self, events: list[Event]) -> list[Event]:
        while events:
            count = _batch(events)
            try:
                self._send(events[:count])
            except FAULTS as error:
                print(f"The log of {self._stream} waits: {error}", file=sys.stderr, flush=True)
                break
            events = events[count:]
        return events

    def _send(self, batch: list[Event]) -> None:
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
            self._made = code_of(error) != "ResourceNotFoundException"
            raise


def _event(line: str) -> Event:
    return {"timestamp": int(time.time() * 1000), "message": line}


def _batch(events: list[Event]) -> int:
    """How many of them CloudWatch Logs takes at once."""
    size = 0
    for count, event in enumerate(events[:MAX_BATCH_LINES]):
        size += len(event["message"]) * 4 + 26
        if size > MAX_BATCH_BYTES:
            return count
    return min(len(events), MAX_BATCH_LINES)
