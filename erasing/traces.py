"""What there is of one photo: every version under its key, and whatever was made from it or says something of it.

Nothing is remembered between two runs: versions, records and letters say which pictures are the photo's, and these are
what `erase` takes away last. So a run that was broken off is finished by the next.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from erasing import captures
from erasing.captures import Folder, Held, Marks
from monitoring import labels
from monitoring.captures.record import YEARS
from monitoring.captures.source import Window
from reconciling import letters, repair
from reconciling.gaps import StoredVersion, versions_of
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import PICTURE_SHA256, Limits, normalise
from vehiclevision.labels import TRUTHS
from vehiclevision.record import NO_VERSION, Record, inference_id, key_of
from vehiclevision.results import ADDRESS, UPLOADS, ResultsTable, bucket_and_key
from vehiclevision.storage import MISSING, REFUSED, code_of, listed

# Captures may be dated a little before the upload they are of: two clocks.
MARGIN: Final = timedelta(hours=1)
# The longest that a run waits for its endpoint, with all retries, and some more.
RUN_SECONDS: Final = 15 * 60
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404"})
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class Kind(StrEnum):
    """What a trace is, in words."""

    RUN = "run on its way"
    LETTERS = "dead letters"
    CAPTURES = "captured requests"
    UNREADABLE = "unreadable captures"
    TRAINING = "training picture"
    REVIEWED = "reviewed picture"
    HISTORY = "history of a run"
    UPLOAD = "unfinished upload"
    VERSION = "version"
    RECORD = "record"


class Histories(Protocol):
    """Histories of runs, where they can be erased: on the local AWS. In AWS Step Functions keeps them for its time."""

    def about(self, concerns: Callable[[str], bool]) -> Sequence[str]:
        """The runs that have a history and whose input is about the photo."""
        ...

    def forget(self, execution: str) -> None:
        """Erase one."""
        ...


@dataclass(frozen=True)
class Application:
    """An application's parts that hold something of a photo."""

    s3: Any
    sqs: Any
    step_functions: Any
    dynamodb: Any
    table: str
    bucket: str
    queue_url: str
    state_machine: str
    captured: Sequence[Folder] = ()
    training: Folder | None = None
    histories: Histories | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def results(self) -> ResultsTable:
        """The table, to read."""
        return ResultsTable(self.dynamodb, self.table)


@dataclass(frozen=True)
class Trace:
    """One thing that is there, in words, and what takes it away; None, where a machine cannot."""

    kind: Kind
    name: str
    remove: Callable[[], object] | None = field(compare=False)

    def as_json(self) -> dict[str, str]:
        """For the next program."""
        return {"kind": self.kind.value, "name": self.name}


@dataclass
class Known:
    """What is known of a photo: it only grows, so that a second look knows what the first one erased."""

    bucket: str
    key: str
    versions: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    answers: set[captures.Answered] = field(default_factory=set)
    since: datetime | None = None

    def concerns(self, request: Any) -> bool:
        """Whether a request to the workflow, as text or as what was in it, names the photo."""
        photo = letters.photo_of(request)
        return photo is not None and self.is_of(photo)

    def is_of(self, photo: letters.Photo | None) -> bool:
        """Whether that is the photo."""
        return photo is not None and (photo.bucket, photo.key) == (self.bucket, self.key)

    def seen(self, moment: datetime | str | None) -> None:
        """Something of the photo was there at that time."""
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        if at is not None and (self.since is None or at < self.since):
            self.since = at

    @property
    def marks(self) -> Marks:
        """What tells that a captured request is about it."""
        ids = frozenset(inference_id(self.bucket, self.key, version) for version in self.versions)
        return Marks(ids, frozenset(self.digests), tuple(self.answers))


def meant(application: Application, name: str) -> Known:
    """The photo that is meant: bucket and key, or the key as it was typed if anything is there, else below uploads/."""
    if name.startswith(ADDRESS):
        return Known(*bucket_and_key(name))
    given = Known(application.bucket, name)
    is_there = _stored(application, given) or application.results.versions(application.bucket, name)
    if is_there or name.startswith(UPLOADS) or _letters(application, given):
        return given
    return Known(application.bucket, UPLOADS + name)


def find(application: Application, known: Known) -> list[Trace]:
    """Everything that is there, in the order in which it can be taken away."""
    bucket, key = known.bucket, known.key
    stored, recorded = _stored(application, known), application.results.versions(bucket, key)
    lettered = _letters(application, known)
    _learn(application, known, stored, recorded, lettered)
    captured = list(_captured(application, known))
    for held in captured:
        known.digests |= held.digests
    return [
        *_runs(application, known),
        *_lettered(application, known, len(lettered)),
        *(_held(application, known, held) for held in captured),
        *_training(application, known),
        *_reviewed(application, known),
        *_histories(application, known),
        *_unfinished(application, known),
        *(Trace(Kind.VERSION, f"{at} of {key}", _deletion(application, bucket, key, at)) for at, _, _ in stored),
        *(_record(application, record) for record in recorded),
    ]


def erase(traces: Iterable[Trace]) -> Iterator[Trace]:
    """Take each away and hand it on when that is done; what is gone already is no fault."""
    for trace in traces:
        if trace.remove is None:
            continue  # it is still there when somebody looks again
        try:
            trace.remove()
        except ClientError as error:
            code = code_of(error)
            if code in _CHANGED:
                continue  # whoever looks again finds it as it is now
            if code not in _GONE:
                raise
        yield trace


def _learn(
    application: Application,
    known: Known,
    stored: Iterable[StoredVersion],
    recorded: Iterable[Record],
    lettered: Iterable[letters.Letter],
) -> None:
    """Which versions there were, since when, and how their pictures are told."""
    for version, at, is_photo in stored:
        known.seen(at)
        if is_photo and version not in known.versions:
            known.digests |= _digest(application, known, version)
        known.versions.add(version)
    for record in recorded:
        known.versions.add(record.version_id)
        known.seen(record.uploaded_at or record.started_at or record.recorded_at)
        known.digests |= {str(digest) for digest in [(record.measurements or {}).get(PICTURE_SHA256)] if digest}
        known.answers |= {answer for answer in [captures.answered(record)] if answer}
    for letter in lettered:
        if letter.photo and letter.photo.version_id:
            known.versions.add(letter.photo.version_id)
    known.versions.discard(NO_VERSION)


def _digest(application: Application, known: Known, version: str) -> set[str]:
    """What the picture that the model saw is called; none for a file that is no picture, or that cannot be read."""
    try:
        answer = application.s3.get_object(Bucket=known.bucket, Key=known.key, VersionId=version)
    except ClientError as error:
        if code_of(error) not in MISSING | REFUSED:
            raise
        return set()
    with answer["Body"] as body:
        content = body.read(Limits().max_bytes + 1)
    try:
        return {labels.digest_of(normalise(content).jpeg)}
    except InvalidImageError:
        return set()


def _stored(application: Application, known: Known) -> list[StoredVersion]:
    """What lies in the bucket; in another one it is somebody else's, and stays."""
    return list(versions_of(application.s3, known.bucket, known.key)) if known.bucket == application.bucket else []


def _letters(application: Application, known: Known) -> list[letters.Letter]:
    """The letters about the photo; all are left where others can see them."""
    read = list(letters.read(application.sqs, application.queue_url))
    for letter in read:
        letters.put_back(application.sqs, application.queue_url, letter)
    return [letter for letter in read if known.is_of(letter.photo)]


def _lettered(application: Application, known: Known, count: int) -> Iterator[Trace]:
    if count:
        yield Trace(Kind.LETTERS, f"{count} about it", partial(_delete_letters, application, known))


def _delete_letters(application: Application, known: Known) -> None:
    for letter in list(letters.read(application.sqs, application.queue_url)):
        act = letters.delete if known.is_of(letter.photo) else letters.put_back
        act(application.sqs, application.queue_url, letter)


def _runs(application: Application, known: Known) -> Iterator[Trace]:
    states = application.step_functions
    running = {"stateMachineArn": application.state_machine, "statusFilter": "RUNNING"}
    for execution in listed(states, "list_executions", "executions", **running):
        arn = execution["executionArn"]
        if known.concerns(states.describe_execution(executionArn=arn).get("input")):
            # A run on its way is waited for, else it would write anew.
            yield Trace(Kind.RUN, arn, partial(repair.awaited, states, arn, RUN_SECONDS))


def _captured(application: Application, known: Known) -> Iterator[Held]:
    if not known.marks.any:
        return iter(())
    earliest = known.since or datetime(YEARS.start, 1, 2, tzinfo=UTC)
    window = Window(earliest - MARGIN, application.now() + MARGIN)
    return captures.holding(application.s3, application.captured, window, known.marks)


def _held(application: Application, known: Known, held: Held) -> Trace:
    address = f"{ADDRESS}{held.file.bucket}/{held.file.key}"
    if held.lines is None:
        return Trace(Kind.UNREADABLE, address, None)
    older = "" if held.file.is_newest else ", an old version"
    remove = partial(captures.take_out, application.s3, held, known.marks)
    return Trace(Kind.CAPTURES, f"{held.lines} of {held.of} in {address}{older}", remove)


def _training(application: Application, known: Known) -> Iterator[Trace]:
    folder = application.training
    if folder is None or not known.digests:
        return
    for key, remove in _objects(application, folder.bucket, folder.prefix):
        name = labels.parse(key)
        if name is not None and name.digest in known.digests:
            yield Trace(Kind.TRAINING, f"{ADDRESS}{folder.bucket}/{key}", remove)


def _reviewed(application: Application, known: Known) -> Iterator[Trace]:
    """Every version of the pictures under every label: one that was decided again lies under two for a while."""
    for digest in sorted(known.digests):
        for label in TRUTHS:
            for key, remove in _objects(application, application.bucket, f"{labels.PREFIX}{label}/{digest}"):
                yield Trace(Kind.REVIEWED, f"{ADDRESS}{application.bucket}/{key}", remove)


def _objects(application: Application, bucket: str, prefix: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """All that was ever under a prefix, the marks of deletions too: its key, and what takes that version away."""
    try:
        for page in application.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for each in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                yield each["Key"], _deletion(application, bucket, each["Key"], each["VersionId"])
    except application.s3.exceptions.NoSuchBucket:
        return


def _deletion(application: Application, bucket: str, key: str, version: str) -> Callable[[], object]:
    return partial(application.s3.delete_object, Bucket=bucket, Key=key, VersionId=version)


def _record(application: Application, record: Record) -> Trace:
    key = key_of(record.s3_bucket, record.s3_key, record.version_id)
    remove = partial(application.dynamodb.delete_item, TableName=application.table, Key=key)
    return Trace(Kind.RECORD, f"{record.outcome} of version {record.version_id}", remove)


def _histories(application: Application, known: Known) -> Iterator[Trace]:
    if application.histories is not None:
        for execution in application.histories.about(known.concerns):
            yield Trace(Kind.HISTORY, execution, partial(application.histories.forget, execution))


def _unfinished(application: Application, known: Known) -> Iterator[Trace]:
    """Parts of an upload in parts that was never finished."""
    if known.bucket != application.bucket:
        return
    key = known.key
    # Some keys are no XML as they are; of S3's listings boto3 has this one alone not encoded, and decoded, by itself.
    asked = {"Bucket": known.bucket, "Prefix": key, "EncodingType": "url"}
    for upload in listed(application.s3, "list_multipart_uploads", "Uploads", **asked):
        if unquote_plus(upload["Key"]) == key:
            own = {"Bucket": known.bucket, "Key": key, "UploadId": upload["UploadId"]}
            remove = partial(application.s3.abort_multipart_upload, **own)
            yield Trace(Kind.UPLOAD, f"{upload['UploadId']} of {key}", remove)
