"""Photos: real ones under open licences, from public repositories, by the list that lies beside this module.

    photos.csv          file (LABEL/SOURCE__NAME.jpg), path in the source's repository, fingerprint, and the SHA-256 of
                        the copy, at most 284 pixels a side, that the list was made from
    photo_sources.csv   source, repository, commit, licence, and what the licence rests on

What is fetched goes through the image gate into a folder per class. ATTRIBUTION.csv in the folder says of each photo
whose it is and what came: the SHA-256 of the original and of the picture made of it.
"""

import csv
import hashlib
import io
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Final, TextIO
from urllib.parse import quote

import requests
from urllib3.exceptions import HTTPError

from training.data.errors import DataRefusedError
from training.data.fetch import BLOCK_BYTES, PAUSE_SECONDS, disk_errors_told, hold_alone, write_whole
from training.data.fingerprint import agrees
from training.data.pictures import content_hash, normalised
from training.data.threads import Listener, in_threads
from training.data.web import CutOffError, RefusedAnswerError, answer, reason
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import Limits
from vehiclevision.labels import LABELS, NAME, either

ADDRESS: Final = "https://raw.githubusercontent.com"
RECORD: Final = "ATTRIBUTION.csv"
# Of a photo that came and was taken: what it is, whose, and on what terms.
COLUMNS: Final = ("file", "sha256", "original_sha256", "repository", "commit", "path", "licence", "licence_basis")
UPSTREAM: Final = "upstream terms"
UPLOADER: Final = "uploader's word"
CONNECTIONS: Final = 4
TRIES: Final = 3
# A photo that drips in for longer than that is given up.
MOST_SECONDS: Final = 120
# After so many photos in a row that no connection gave, the others are not asked for.
MOST_CUT_OFF: Final = 12
NOT_TRIED: Final = "was not tried: the server had stopped answering"
_HERE: Final = Path(__file__).parent
_FILE: Final = re.compile(rf"({NAME.pattern})/([a-z0-9_-]+?)__[A-Za-z0-9_-]+\.jpg")


@dataclass(frozen=True)
class Source:
    """Where photos come from, and on what terms."""

    source: str
    repository: str
    commit: str
    licence: str
    licence_basis: str


@dataclass(frozen=True)
class Photo:
    """One photo of the list: the file that it becomes, and how it is known."""

    file: str
    path: str
    fingerprint: str
    learnt_sha256: str
    source: Source

    @property
    def address(self) -> str:
        """Where it lies below the server of raw files."""
        return f"{self.source.repository}/{self.source.commit}/{quote(self.path)}"


@dataclass(frozen=True)
class Missing:
    """A photo that was not taken, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class FetchedPhotos:
    """What the folder holds now: how many photos came in this run, how many were there, which are not."""

    downloaded: int
    unchanged: int
    missing: tuple[Missing, ...]


def read_list(folder: Path = _HERE) -> tuple[Photo, ...]:
    """The photos of the list, in its order; refused where vehicles.toml names a label that it has no photos of.

    Among the photos of no vehicle may be ones of such a label, so the others would teach a model the wrong thing.
    """
    sources = {row["source"]: Source(**row) for row in _rows(folder / "photo_sources.csv")}
    photos = tuple(Photo(**row, source=sources[source_of(row["file"])]) for row in _rows(folder / "photos.csv"))
    listed = {photo.file.partition("/")[0] for photo in photos}
    if missing := [label for label in LABELS if label not in listed]:
        raise DataRefusedError(
            f"The list has no photos of {either(missing)}, which vehicles.toml names.",
            "Train on pictures of your own, a folder per class: vehiclevision train --data DIR --out DIR",
        )
    return photos


def source_of(file: str) -> str:
    """The source that a file is named after, refused where the name is none of the list's."""
    matched = _FILE.fullmatch(file)
    if matched is None:
        raise DataRefusedError("The list of photos names a file of another kind.", "Restore training/data/photos.csv.")
    return matched[2]


def fetch_photos(
    out: Path,
    photos: Sequence[Photo],
    *,
    mirror: str = ADDRESS,
    listener: Listener = lambda done, total: None,
    pause_seconds: float = PAUSE_SECONDS,
    most_seconds: float = MOST_SECONDS,
) -> FetchedPhotos:
    """The photos in a folder per class; Ctrl-C and errors leave what has come, and the next run goes on."""
    missing: list[Missing] = []
    downloaded = 0
    with disk_errors_told(out), _Record.opened(out) as record:
        record.check_terms(photos)
        coming = [photo for photo in photos if not record.has(photo)]
        unchanged = len(photos) - len(coming)
        with closing(_Fetcher(mirror, pause_seconds, most_seconds, record.originals())) as fetcher:
            outcomes = in_threads(fetcher.fetch, coming, CONNECTIONS)
            for photo, outcome in zip(coming, outcomes, strict=True):
                if isinstance(outcome, Missing):
                    missing.append(outcome)
                else:
                    record.add(photo, *outcome)
                    downloaded += 1
                listener(unchanged + downloaded + len(missing), len(photos))
    return FetchedPhotos(downloaded, unchanged, tuple(missing))


class _Fetcher:
    """Gets one photo after another, in several threads at once, until the server has stopped answering."""

    def __init__(self, mirror: str, pause_seconds: float, most_seconds: float, originals: Mapping[str, str]) -> None:
        self._mirror, self._originals = mirror.rstrip("/"), originals
        self._pause_seconds, self._most_seconds = pause_seconds, most_seconds
        self._cut_off = 0
        self._stopped = Event()
        self._sessions: SimpleQueue[requests.Session] = SimpleQueue()
        for _ in range(CONNECTIONS):
            self._sessions.put(requests.Session())

    def close(self) -> None:
        """Let go of the connections; nothing is fetched any more."""
        self._stopped.set()
        for _ in range(CONNECTIONS):
            self._sessions.get().close()

    def fetch(self, photo: Photo) -> tuple[bytes, str] | Missing:
        """What the gate makes of the photo and the original's SHA-256, or why it is not taken."""
        if self._stopped.is_set():
            return Missing(photo.file, NOT_TRIED)
        session = self._sessions.get()
        try:
            original = self._original(session, f"{self._mirror}/{photo.address}")
            self._cut_off = 0
            return self._checked(photo, original)
        except CutOffError as failure:
            self._cut_off += 1
            if self._cut_off >= MOST_CUT_OFF:
                self._stopped.set()
            return Missing(photo.file, str(failure))
        except RefusedAnswerError as failure:
            return Missing(photo.file, str(failure))
        except InvalidImageError as error:
            return Missing(photo.file, f"is no usable picture ({error.reason.value})")
        finally:
            self._sessions.put(session)

    def _original(self, session: requests.Session, address: str) -> bytes:
        for attempt in range(1, TRIES):
            try:
                return _body(session, address, self._most_seconds)
            except CutOffError:
                self._stopped.wait(self._pause_seconds * attempt)
        return _body(session, address, self._most_seconds)

    def _checked(self, photo: Photo, original: bytes) -> tuple[bytes, str]:
        digest = hashlib.sha256(original).hexdigest()
        if self._originals.get(photo.file, digest) != digest:
            raise RefusedAnswerError("is not what was accepted before: its SHA-256 differs")
        picture = normalised(original)
        if not agrees(picture, photo.fingerprint):
            raise RefusedAnswerError("shows something else than the list says: its fingerprint differs")
        return picture, digest


def _body(session: requests.Session, address: str, most_seconds: float) -> bytes:
    """All that the server gives, as long as the image gate could take it."""
    limit, deadline = Limits().max_bytes, time.monotonic() + most_seconds
    content = bytearray()
    try:
        with answer(session, address, {"Accept-Encoding": "identity"}) as response:
            status = response.status_code
            if status == requests.codes.too_many_requests or status >= requests.codes.server_error:
                raise CutOffError(f"was not given: the server is too busy (HTTP {status})")
            if status != requests.codes.ok:
                raise RefusedAnswerError(f"is answered with HTTP {status}")
            for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
                content += block
                if len(content) > limit:
                    raise RefusedAnswerError(f"has more than {limit:,} bytes")
                if time.monotonic() > deadline:
                    raise CutOffError("came too slowly")
            declared = response.headers.get("Content-Length", "")
    except ValueError as exc:  # requests and urllib3 raise many kinds of it for what cannot be an address
        raise RefusedAnswerError("has no web address there") from exc
    except (requests.RequestException, HTTPError) as exc:
        raise CutOffError(f"was not given: the server {reason(exc)}") from exc
    if declared.isdecimal() and len(content) < int(declared):
        raise CutOffError("was not given whole")
    return bytes(content)


class _Record:
    """What was accepted, line by line: appended as it comes, sorted at the end, so that two folders compare."""

    def __init__(self, out: Path, journal: TextIO, lines: Iterable[dict[str, str]]) -> None:
        self._out, self._journal = out, journal
        self._accepted = {line["file"]: line for line in lines}

    @classmethod
    @contextmanager
    def opened(cls, out: Path) -> Iterator["_Record"]:
        """The folder's record, kept from any other run for as long as this one works on it."""
        out.mkdir(parents=True, exist_ok=True)
        beside = out / f"{RECORD}.part"
        with beside.open("a", encoding="utf-8", newline="") as journal:
            hold_alone(journal, f"photos to {out}")
            record = cls(out, journal, [*_accepted(out / RECORD), *_accepted(beside)])
            try:
                yield record
            finally:
                record.finish()

    def check_terms(self, photos: Sequence[Photo]) -> None:
        """Refuse a folder that holds photos on terms that were not asked for."""
        bases = {photo.source.licence_basis for photo in photos}
        others = (line for line in self._accepted.values() if line["licence_basis"] not in bases)
        if any((self._out / line["file"]).is_file() for line in others):
            raise DataRefusedError(
                f"{self._out} holds photos whose licence rests on an {UPLOADER}.", "Name another folder with --out."
            )

    def has(self, photo: Photo) -> bool:
        """Whether the photo is there as it was accepted."""
        line = self._accepted.get(photo.file)
        path = self._out / photo.file
        return line is not None and path.is_file() and content_hash(path.read_bytes()) == line["sha256"]

    def originals(self) -> dict[str, str]:
        """The SHA-256 of each original that was accepted, by the file that it became."""
        return {file: line["original_sha256"] for file, line in self._accepted.items()}

    def add(self, photo: Photo, picture: bytes, original_sha256: str) -> None:
        """Write the picture, whole or not at all, then its line."""
        path = self._out / photo.file
        path.parent.mkdir(exist_ok=True)
        write_whole(path, picture)
        own = {"file": photo.file, "sha256": content_hash(picture), "original_sha256": original_sha256}
        line = {**own, "path": photo.path, **vars(photo.source)}
        self._accepted[photo.file] = line
        _lines(self._journal).writerow(line)
        self._journal.flush()

    def finish(self) -> None:
        """Put all lines into the record; the same photos give the same bytes."""
        text = io.StringIO()
        writer = _lines(text)
        writer.writeheader()
        writer.writerows(self._accepted[file] for file in sorted(self._accepted))
        write_whole(self._out / RECORD, text.getvalue().encode())
        Path(self._journal.name).unlink()


def _lines(stream: TextIO) -> "csv.DictWriter[str]":
    return csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")


def _accepted(path: Path) -> Iterator[dict[str, str]]:
    """The whole lines of a record; a line that a crash cut off counts as none, and its photo is fetched again."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) == len(COLUMNS) and row[0] != "file":
                    yield dict(zip(COLUMNS, row, strict=True))
    except (FileNotFoundError, csv.Error):
        return


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
