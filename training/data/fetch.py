"""Fetch: the official archive, from the first mirror that gives it, going on where an earlier try stopped.

What has come lies in NAME.part beside where the archive will be, whoever gave it: the archive gets its name when its
checksums are right, and not before.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import requests
from urllib3.exceptions import HTTPError

from training.data.cifar100 import OFFICIAL, Archive
from training.data.errors import DataError, DataNotFetchedError
from training.data.threads import Listener
from training.data.web import CutOffError, RefusedAnswerError, answer, reason, shown

TRIES_PER_MIRROR: Final = 6
BLOCK_BYTES: Final = 1 << 18
PAUSE_SECONDS: Final = 2.0
GO_ON: Final = "What has come is kept. Run the same command again to go on."


@dataclass(frozen=True)
class Fetched:
    """Where the archive lies, and whether it had to be downloaded."""

    path: Path
    downloaded: bool


def fetch(
    out: Path,
    *,
    archive: Archive = OFFICIAL,
    mirrors: Sequence[str] = (),
    listener: Listener = lambda done, total: None,
    pause_seconds: float = PAUSE_SECONDS,
) -> Fetched:
    """The checked archive in the folder `out`; Ctrl-C and errors leave what has come for the next try."""
    with disk_errors_told(out):
        out.mkdir(parents=True, exist_ok=True)
        path = out / archive.name
        if path.is_file() and archive.is_at(path):
            return Fetched(path, downloaded=False)
        part = path.with_name(f"{path.name}.part")
        with part.open("ab") as stream:
            hold_alone(stream, str(path))
            _check_room(out, archive.bytes - stream.tell())
            _from_mirrors(stream, archive, mirrors or archive.addresses, listener, pause_seconds)
            os.fsync(stream.fileno())
            part.replace(path)
    return Fetched(path, downloaded=True)


@contextmanager
def disk_errors_told(out: Path, kind: type[DataError] = DataNotFetchedError, then: str = GO_ON) -> Iterator[None]:
    """What the disk refuses, in words, and what to do then."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            raise kind(f"The disk of {out} is full.", f"Make room. {then}") from exc
        raise kind(f"{exc.filename or out} cannot be written: {exc.strerror}.", then) from exc


def hold_alone(stream: IO[Any], what: str) -> None:
    """Keep a file from any other run for as long as it is open."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise DataNotFetchedError(f"Another run is fetching {what}.", "Wait for it, or stop it.") from exc


def write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all: a run that is cut off leaves no half file under the final name."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _check_room(out: Path, wanted_bytes: int) -> None:
    free = shutil.disk_usage(out).free
    if free < wanted_bytes:
        raise DataNotFetchedError(
            f"The disk of {out} has {free // 10**6:,} MB left and {wanted_bytes // 10**6:,} MB are to come.",
            f"Make room, or name another folder with --out. {GO_ON}",
        )


def _from_mirrors(
    part: BinaryIO, archive: Archive, mirrors: Sequence[str], listener: Listener, pause_seconds: float
) -> None:
    problems = []
    for mirror in mirrors:
        try:
            _from_mirror(part, archive, mirror, listener, pause_seconds)
        except (RefusedAnswerError, CutOffError) as failure:
            problems.append(f"{shown(mirror)} {failure}")
        else:
            return
    raise DataNotFetchedError(
        f"The archive could not be downloaded: {'; '.join(problems)}.",
        f"Check the network and any proxy, or name another place with --mirror. {GO_ON}",
    )


def _from_mirror(part: BinaryIO, archive: Archive, mirror: str, listener: Listener, pause_seconds: float) -> None:
    """All that is still missing; a connection that breaks is taken up again a few times."""
    for attempt in range(1, TRIES_PER_MIRROR + 1):
        resumed = part.tell() > 0
        try:
            if part.tell() < archive.bytes:
                _transfer(part, archive.bytes, mirror, listener)
        except CutOffError:
            if attempt == TRIES_PER_MIRROR:
                raise
            time.sleep(pause_seconds)
            continue
        part.flush()
        if archive.is_at(Path(part.name)):
            return
        # A piece from an earlier try or from another mirror may have spoilt it: once more, from nothing.
        _clear(part)
        if not resumed:
            raise RefusedAnswerError("gave something else: its checksums differ")
    raise RefusedAnswerError("gave nothing with the right checksums")


def _transfer(part: BinaryIO, total: int, mirror: str, listener: Listener) -> None:
    """One request for what is missing, appended as it comes."""
    headers = {"Accept-Encoding": "identity"}
    if part.tell():
        headers["Range"] = f"bytes={part.tell()}-"
    try:
        with requests.Session() as session, answer(session, mirror, headers) as response:
            _place(part, total, response)
            # Undecoded: some servers call the archive's own gzip a Content-Encoding.
            for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
                if part.tell() + len(block) > total:
                    _clear(part)
                    raise RefusedAnswerError(f"sends more than the archive's {total:,} bytes")
                part.write(block)
                listener(part.tell(), total)
    except ValueError as exc:  # requests and urllib3 raise many kinds of it for what cannot be an address
        raise RefusedAnswerError("is no web address") from exc
    except (requests.RequestException, HTTPError) as exc:
        raise CutOffError(reason(exc)) from exc
    if part.tell() < total:
        raise CutOffError("ended too early")


def _place(part: BinaryIO, total: int, response: requests.Response) -> None:
    """Make the part ready for what comes: to go on, or to begin again; or refuse the answer."""
    status, declared = response.status_code, response.headers.get("Content-Length", "")
    if status == requests.codes.requested_range_not_satisfiable:
        _clear(part)
        raise CutOffError("has fewer bytes than came before")
    if status in (requests.codes.too_many_requests, requests.codes.service_unavailable):
        raise CutOffError(f"is too busy (HTTP {status})")
    if status not in (requests.codes.ok, requests.codes.partial_content):
        raise RefusedAnswerError(f"answers with HTTP {status}")
    if response.headers.get("Content-Type", "").startswith("text/"):
        raise RefusedAnswerError("answers with a page instead of the archive (is there a sign-in to this network?)")
    start = part.tell() if status == requests.codes.partial_content else 0
    if start and response.headers.get("Content-Range") not in (
        f"bytes {start}-{total - 1}/{total}",
        f"bytes {start}-{total - 1}/*",
    ):
        raise RefusedAnswerError("sends another piece than the one asked for")
    if declared.isdecimal() and int(declared) != total - start:
        raise RefusedAnswerError(f"offers {int(declared):,} bytes where {total - start:,} are to come")
    if not start:
        _clear(part)


def _clear(part: BinaryIO) -> None:
    """Begin from nothing."""
    if part.tell():
        part.seek(0)
        part.truncate()
