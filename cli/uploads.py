"""Files into the bucket, several at a time, never more of a file in memory than a piece of it."""

import os
import queue
import stat
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from cli.sources import MAX_OBJECT_BYTES, Source
from vehiclevision.storage import UNVERSIONED

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Uploaded:
    """A file that S3 has taken, under that version, at that time."""

    source: Source
    version_id: str
    at_seconds: float
    at_clock_seconds: float


@dataclass(frozen=True)
class NotUploaded:
    """A file that this machine or S3 would not give or take; others may do better."""

    source: Source
    reason: str
    detail: str


# An exception is one that every further upload would meet as well.
_Done: TypeAlias = Uploaded | NotUploaded | ClientError | BotoCoreError


class Uploads:
    """Uploads in the background; the threads end with the process, so that Ctrl-C never waits for a large file."""

    def __init__(self, s3: "S3Client", bucket: str, sources: Sequence[Source], threads: int) -> None:
        self._s3, self._bucket = s3, bucket
        self._waiting: queue.SimpleQueue[Source] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self.remaining = len(sources)
        for source in sources:
            self._waiting.put(source)
        for _ in range(min(threads, len(sources))):
            threading.Thread(target=self._work, daemon=True, name="upload").start()

    def next(self, timeout_seconds: float) -> Uploaded | NotUploaded | None:
        """The next file that is done with, or None if none is in that time."""
        try:
            done = self._done.get(timeout=timeout_seconds) if timeout_seconds > 0 else self._done.get_nowait()
        except queue.Empty:
            return None
        if isinstance(done, Exception):
            raise done
        self.remaining -= 1
        return done

    def stop(self) -> None:
        """Begin no further upload."""
        self._stopped.set()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                source = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._done.put(self._upload(source))

    def _upload(self, source: Source) -> _Done:
        try:
            with _open(source) as body:
                size_bytes = os.fstat(body.fileno()).st_size
                if size_bytes > MAX_OBJECT_BYTES:
                    detail = f"it has {size_bytes / 1024**3:.1f} GiB and S3 takes 5 GiB at once; it is no photo"
                    return NotUploaded(source, "TOO_LARGE", detail)
                answer = self._s3.put_object(Bucket=self._bucket, Key=source.key, Body=body)
        except OSError as error:
            return NotUploaded(source, "UNREADABLE", error.strerror or str(error))
        except (ClientError, BotoCoreError) as error:
            answered = error.response.get("ResponseMetadata", {}) if isinstance(error, ClientError) else {}
            if answered.get("HTTPStatusCode", 0) >= 500:
                return NotUploaded(source, "NOT_UPLOADED", "S3 failed to store it; try it again")
            self.stop()
            return error
        return Uploaded(source, answer.get("VersionId", UNVERSIONED), time.monotonic(), time.time())


def _open(source: Source) -> BinaryIO:
    """The file for reading; something that became a pipe since it was found must not hold us up."""
    descriptor = os.open(source.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "it is no longer a file")
    return os.fdopen(descriptor, "rb")
