"""Captured requests that hold a photo's picture: told by their lines, and taken out of their files line by line.

Three things tell a line: the id under which the endpoint was asked, the picture itself, and, for photos of releases
that noted neither, the same answer at the same time. Old versions of a file, which the bucket keeps for a while, count.
"""

import gzip
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from monitoring.captures.reader import DamagedError, belongs, unpacked
from monitoring.captures.record import Captured, parse
from monitoring.captures.source import CHUNK_BYTES, Selection, Window, key_parts
from monitoring.labels import digest_of
from vehiclevision.image_gate import PICTURE_SHA256
from vehiclevision.record import Record
from vehiclevision.storage import MISSING, REFUSED, UNVERSIONED, code_of, listed

READERS: Final = 8
# SageMaker begins a new file long before that; what is larger, or unpacks to more, is no capture of ours.
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
# Captured times have whole seconds, and the clocks of endpoint and workflow differ a little.
CLOCKS_DIFFER: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Folder:
    """A prefix of a bucket under which requests are captured."""

    bucket: str
    prefix: str


@dataclass(frozen=True)
class Answered:
    """What the endpoint said of a photo, and between when and when it was asked."""

    confidences: tuple[float, ...]
    began: datetime
    ended: datetime


@dataclass(frozen=True)
class Marks:
    """What tells that a captured request is about the photo."""

    inference_ids: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    answers: tuple[Answered, ...] = ()

    @property
    def any(self) -> bool:
        """Whether a line can be told at all."""
        return bool(self.inference_ids or self.digests or self.answers)

    def tell(self, line: bytes) -> Captured | None:
        """The captured request if it is about the photo."""
        captured = parse(line)
        if not isinstance(captured, Captured):
            return None
        known = captured.inference_id in self.inference_ids
        same = captured.picture is not None and digest_of(captured.picture) in self.digests
        return captured if known or same or self._answered(captured) else None

    def _answered(self, captured: Captured) -> bool:
        if captured.answer is None or captured.at is None:
            return False
        return any(
            tuple(captured.answer.confidences) == each.confidences and each.began <= captured.at <= each.ended
            for each in self.answers
        )


@dataclass(frozen=True)
class File:
    """One version of a file of captured requests."""

    bucket: str
    key: str
    version_id: str
    is_newest: bool


@dataclass(frozen=True)
class Held:
    """A file that holds the photo: its lines of how many, None where it is unreadable, and the pictures in them."""

    file: File
    lines: int | None
    of: int = 0
    digests: frozenset[str] = frozenset()


def answered(record: Record) -> Answered | None:
    """How to tell the captured request of a record that notes no hash of its picture."""
    if PICTURE_SHA256 in (record.measurements or {}) or not record.inferences:
        return None
    if record.started_at is None or record.recorded_at is None:
        return None
    began, ended = datetime.fromisoformat(record.started_at), datetime.fromisoformat(record.recorded_at)
    return Answered(tuple(record.inferences), began - CLOCKS_DIFFER, ended + CLOCKS_DIFFER)


def holding(s3: Any, folders: Iterable[Folder], window: Window, marks: Marks) -> Iterator[Held]:
    """Every version of every file of that time that holds a line about the photo, or cannot be read."""
    files = (file for folder in folders for file in _files(s3, folder, window))
    with ThreadPoolExecutor(READERS) as pool:
        yield from (held for held in pool.map(lambda file: _held(s3, file, marks), files) if held.lines != 0)


def take_out(s3: Any, held: Held, marks: Marks) -> None:
    """Write the file without those lines, or not at all if it has no other, and delete the version that holds them.

    What somebody else wrote there meanwhile is not overwritten: S3 then refuses.
    """
    file = held.file
    if file.is_newest and held.lines != held.of:
        content, etag, content_type = _content(s3, file)
        kept = b"".join(line for line in _lines(content) if not marks.tell(line))
        packed = gzip.compress(kept) if content.startswith(b"\x1f\x8b") else kept
        kept_as = s3.put_object(Bucket=file.bucket, Key=file.key, Body=packed, ContentType=content_type, IfMatch=etag)
        if kept_as.get("VersionId", UNVERSIONED) == file.version_id:
            return  # the bucket keeps no versions: what held the lines is written over
    s3.delete_object(Bucket=file.bucket, Key=file.key, VersionId=file.version_id)


def _files(s3: Any, folder: Folder, window: Window) -> Iterator[File]:
    selection = Selection(window=window)
    try:
        for version in listed(s3, "list_object_versions", "Versions", Bucket=folder.bucket, Prefix=folder.prefix):
            if selection.may_hold(key_parts(version["Key"])) and not version["Key"].endswith("/"):
                yield File(folder.bucket, version["Key"], version["VersionId"], version["IsLatest"])
    except s3.exceptions.NoSuchBucket:
        return


def _held(s3: Any, file: File, marks: Marks) -> Held:
    try:
        content, _, _ = _content(s3, file)
        lines = list(_lines(content)) if belongs(file.key, content[:CHUNK_BYTES].lstrip() or b"{") else []
    except DamagedError:
        return Held(file, None)
    except ClientError as error:
        if code_of(error) not in MISSING | REFUSED:
            raise
        return Held(file, 0 if code_of(error) in MISSING else None)
    ours = [captured for line in lines if (captured := marks.tell(line))]
    digests = frozenset(digest_of(each.picture) for each in ours if each.picture is not None)
    return Held(file, len(ours), sum(not line.isspace() for line in lines), digests)


def _content(s3: Any, file: File) -> tuple[bytes, str, str]:
    """A file's bytes as stored, its tag and its type."""
    answer = s3.get_object(Bucket=file.bucket, Key=file.key, VersionId=file.version_id)
    with answer["Body"] as body:
        content: bytes = body.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise DamagedError("too_large")
    return content, answer["ETag"], answer.get("ContentType", "application/octet-stream")


def _lines(content: bytes) -> Iterator[bytes]:
    """The lines with their ends, unpacked."""
    plain = bytearray()
    for chunk in unpacked(iter([content])):
        plain += chunk
        if len(plain) > MAX_FILE_BYTES:
            raise DamagedError("too_large")
    yield from io.BytesIO(bytes(plain))
