"""Where captured data lies: a folder, a single file, or a prefix in S3; which of its files can hold the wanted records.

SageMaker writes {prefix}/{endpoint}/{variant}/yyyy/mm/dd/hh/{file}.jsonl. Where a key has this form, endpoint, variant
and window are judged by it before anything is read.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from monitoring.captures.record import YEARS
from monitoring.errors import SourceError
from vehiclevision.results import ADDRESS, bucket_and_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

CHUNK_BYTES: Final = 256 * 1024
# A file carries the hour in which it was begun or written; its records may belong to the one before or after.
MARGIN: Final = timedelta(hours=1)
CAPTURE_SUFFIXES: Final = (".jsonl", ".jsonl.gz")
NAMED_LIKE_CAPTURE: Final = (".jsonl", ".json", ".jsonl.gz", ".json.gz")

# Endpoints and variants are called so, and nothing else is.
_OWNER: Final = r"(?:^|/)(?P<endpoint>[a-zA-Z0-9][a-zA-Z0-9-]{0,62})/(?P<variant>[a-zA-Z0-9][a-zA-Z0-9-]{0,62})"
_LAYOUT: Final = re.compile(_OWNER + r"/(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+$", re.ASCII)
# A year of YEARS, and a month, a day and an hour of it as far as a prefix says them.
_DATE: Final = r"20(1[5-9]|[2-9]\d)(/(0[1-9]|1[0-2])(/(0[1-9]|[12]\d|3[01])(/([01]\d|2[0-3]))?)?)?"
_PERIOD: Final = re.compile(rf"{_OWNER}/(?P<date>{_DATE})/$", re.ASCII)
_BUCKET_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{2,62}", re.ASCII)
_GONE: Final = frozenset({"NoSuchKey", "404", "NotFound", "PreconditionFailed", "412"})
_REFUSED: Final = frozenset({"AccessDenied", "403", "Forbidden", "InvalidObjectState"})
_RESUMES: Final = 3


class FileGoneError(Exception):
    """The file went away between being listed and being read."""


class FileForeignError(Exception):
    """It is no file but a link, a pipe or a device."""


class FileRefusedError(Exception):
    """The file may not be read: no permission, or it lies in an archive."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` on, and before `end`; both with a time zone."""

    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether files of this period may hold records of the window."""
        return start < self.end + MARGIN and end > self.start - MARGIN


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records: of a window, an endpoint, a variant; None is any."""

    window: Window | None = None
    endpoint: str | None = None
    variant: str | None = None

    def may_hold(self, parts: "KeyParts | None") -> bool:
        """Whether a file with this key can hold such records; one of another form can, unless an endpoint is named."""
        if parts is None:
            return self.endpoint is None and self.variant is None
        if self.endpoint not in (None, parts.endpoint) or self.variant not in (None, parts.variant):
            return False
        return self.window is None or self.window.touches(parts.hour, parts.hour + timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key in SageMaker's layout says."""

    endpoint: str
    variant: str
    hour: datetime


@dataclass(frozen=True, slots=True)
class File:
    """A file that may hold wanted records."""

    name: str
    size: int
    parts: KeyParts | None


ALL: Final = Selection()


class Source(Protocol):
    """Files with captured records, wherever they lie."""

    address: str
    # How many files are best read at once.
    readers: int

    def files(self, selection: Selection) -> Iterator[File]:
        """Every file that may hold wanted records, lazily; SourceError when there is no such place."""
        ...

    def chunks(self, file: File) -> Iterator[bytes]:
        """The file's bytes as stored; one of the three errors above when they cannot be had."""
        ...


def is_captured(address: str) -> bool:
    """Whether this names captured data: in S3, a file of JSON lines, or a folder that holds some."""
    if address.startswith(ADDRESS) or address.endswith(CAPTURE_SUFFIXES):
        return True
    return any(name.endswith(CAPTURE_SUFFIXES) for _, _, names in os.walk(address) for name in names)


def open_source(address: str, s3: "S3Client | None" = None) -> Source:
    """The source at a folder's or file's path or an s3:// address; `s3` is needed for the latter only."""
    if address.startswith(ADDRESS):
        bucket, prefix = bucket_and_key(address)
        if not _BUCKET_NAME.fullmatch(bucket):
            raise SourceError(f"{address} names no bucket.", "Write s3://BUCKET/PREFIX.")
        if s3 is None:
            import boto3  # noqa: PLC0415 - a folder is read without an SDK

            s3 = boto3.client("s3")
        return Bucket(s3, bucket, prefix)
    return Folder(Path(address).expanduser())


def key_parts(name: str) -> KeyParts | None:
    """What a path or key in SageMaker's layout says; None for any other."""
    matched = _LAYOUT.search(name)
    if not matched:
        return None
    try:
        year, month, day, hour = (int(part) for part in matched.groups()[2:])
        at = datetime(year, month, day, hour, tzinfo=UTC)
    except ValueError:
        return None
    return KeyParts(matched[1], matched[2], at) if at.year in YEARS else None


class Folder:
    """A folder with all below it, or a single file; links are not followed: nothing is read twice or from outside."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.readers = 1
        try:
            self._path = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as exc:
            raise SourceError(f"{path} does not exist.", "Name a folder, a file or s3://BUCKET/PREFIX.") from exc

    def files(self, selection: Selection) -> Iterator[File]:
        """Everything below that is no folder, in the order of their names."""
        if self._path.is_dir():
            yield from _below(self._path, selection)
        else:
            yield File(str(self._path), self._path.stat().st_size, key_parts(self._path.as_posix()))

    def chunks(self, file: File) -> Iterator[bytes]:
        """The file's bytes, without following a link that has taken its place."""
        try:
            if not stat.S_ISREG(os.lstat(file.name).st_mode):
                raise FileForeignError(file.name)
            handle = os.open(file.name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError as exc:
            raise FileGoneError(file.name) from exc
        except OSError as exc:
            raise FileRefusedError(file.name) from exc
        with open(handle, "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor, not a path
            try:
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk
            except OSError as exc:
                raise FileRefusedError(file.name) from exc


def _below(folder: Path, selection: Selection) -> Iterator[File]:
    folders = [folder]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise SourceError(f"{folder} cannot be read.", "Check its permissions.") from exc
        folders += [Path(entry.path) for entry in reversed(listed) if entry.is_dir(follow_symlinks=False)]
        for entry in listed:
            parts = key_parts(Path(entry.path).as_posix())
            if not entry.is_dir(follow_symlinks=False) and selection.may_hold(parts):
                with suppress(FileNotFoundError):
                    yield File(entry.path, entry.stat(follow_symlinks=False).st_size, parts)


class Bucket:
    """One object, or all below a prefix as in a folder; what the keys' dates rule out is not even listed."""

    def __init__(self, s3: "S3Client", bucket: str, prefix: str) -> None:
        self.address = f"s3://{bucket}/{prefix}"
        self.readers = 8
        self._s3, self._bucket, self._prefix = s3, bucket, prefix

    def files(self, selection: Selection) -> Iterator[File]:
        """Every object that may hold wanted records."""
        for entry in self._objects(selection):
            parts = key_parts(entry["Key"])
            if not entry["Key"].endswith("/") and selection.may_hold(parts):
                yield File(entry["Key"], entry["Size"], parts)

    def _objects(self, selection: Selection) -> Iterator["ObjectTypeDef"]:
        """What is listed below the prefix, without the dates that cannot hold a wanted record."""
        folder = self._prefix
        if folder and not folder.endswith("/"):
            # "capture" must not bring "capture-old/" along; of all that begins so, the object itself comes first.
            first = next(self._pages(folder, max_keys=1)).get("Contents", [])
            yield from (entry for entry in first if entry["Key"] == folder)
            folder += "/"
        prefixes = [(folder, "" if selection == ALL else "/")]
        while prefixes:
            prefix, delimiter = prefixes.pop()
            below: list[tuple[str, str]] = []
            for page in self._pages(prefix, delimiter):
                yield from page.get("Contents", ())
                for each in page.get("CommonPrefixes", ()):
                    if (until := delimiter_below(each["Prefix"], selection)) is not None:
                        below.append((each["Prefix"], until))
            prefixes += reversed(below)

    def _pages(self, prefix: str, delimiter: str = "", max_keys: int = 1000) -> Iterator["ListObjectsV2OutputTypeDef"]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        try:
            paginator = self._s3.get_paginator("list_objects_v2")
            yield from paginator.paginate(
                Bucket=self._bucket, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": max_keys}
            )
        except ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            raise SourceError(
                f"s3://{self._bucket}/{prefix} cannot be listed: {code}.",
                "Check the bucket's name, the region and that you may list it.",
            ) from exc
        except BotoCoreError as exc:
            raise SourceError(f"S3 cannot be reached: {exc}", "Check the network, region and credentials.") from exc

    def chunks(self, file: File) -> Iterator[bytes]:
        """The object's bytes; a connection that breaks is taken up again where it broke."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        offset, etag, resumes = 0, None, 0
        while True:
            again: dict[str, Any] = {"Range": f"bytes={offset}-", "IfMatch": etag} if offset else {}
            try:
                answer = self._s3.get_object(Bucket=self._bucket, Key=file.name, **again)
                etag = answer["ETag"]
                with answer["Body"] as body:
                    while chunk := body.read(CHUNK_BYTES):
                        offset += len(chunk)
                        yield chunk
                return
            except ClientError as exc:
                code = exc.response.get("Error", {}).get("Code", "")
                if offset and code == "InvalidRange":  # it broke off after the last byte
                    return
                if code in _GONE:
                    raise FileGoneError(file.name) from exc
                if code in _REFUSED:
                    raise FileRefusedError(file.name) from exc
                raise SourceError(f"{file.name} cannot be read: {code}.", "Try again.") from exc
            except BotoCoreError as exc:
                resumes += 1
                if resumes > _RESUMES:
                    raise SourceError(f"{file.name} cannot be read: {exc}", "Check the network; try again.") from exc


def delimiter_below(prefix: str, selection: Selection) -> str | None:
    """How to list what lies below a prefix: all of it, folder by folder, or, of other dates or owners, not at all."""
    period = _PERIOD.search(prefix)
    if not period:
        return "/"
    if selection.endpoint not in (None, period["endpoint"]) or selection.variant not in (None, period["variant"]):
        return None
    if selection.window is None:
        return ""
    date = period["date"]
    ends = (selection.window.start - MARGIN, selection.window.end + MARGIN)
    first, last = (f"{end.astimezone(UTC):%Y/%m/%d/%H}"[: len(date)] for end in ends)
    if first < date < last:
        return ""
    return "/" if first <= date <= last else None
