"""What was found is taken away, what tells of the rest last; what is gone already is no fault."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from botocore.exceptions import ClientError

from erasing import captures
from erasing.traces import Application, Kind, Known, Trace
from reconciling import letters
from vehiclevision.record import key_of

# The longest that a run waits for its endpoint, with all retries, and some more.
RUN_SECONDS: Final = 15 * 60
LOOK_EVERY_SECONDS: Final = 1.0
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404"})
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


def erase(application: Application, known: Known, traces: Sequence[Trace]) -> Iterator[Trace]:
    """Take each away and hand it on when that is done; a run on its way is waited for, else it would write anew."""
    for trace in traces:
        try:
            _REMOVALS[trace.kind](application, known, trace)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code in _CHANGED:
                continue  # whoever looks again finds it as it is now
            if code not in _GONE:
                raise
        if trace.kind is not Kind.UNREADABLE:
            yield trace


def _await_run(application: Application, _: Known, trace: Trace) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    (arn,) = trace.identity
    while time.monotonic() < deadline:
        if application.step_functions.describe_execution(executionArn=arn)["status"] != "RUNNING":
            return
        time.sleep(LOOK_EVERY_SECONDS)


def _delete_letters(application: Application, known: Known, _: Trace) -> None:
    for letter in list(letters.read(application.sqs, application.queue_url)):
        act = letters.delete if known.is_of(letter.photo) else letters.put_back
        act(application.sqs, application.queue_url, letter)


def _take_out(application: Application, known: Known, trace: Trace) -> None:
    if trace.held is not None:
        captures.take_out(application.s3, trace.held, known.marks)


def _leave(_: Application, __: Known, ___: Trace) -> None:
    """No machine can do it: it is still there when somebody looks again."""


def _delete_object(application: Application, _: Known, trace: Trace) -> None:
    bucket, key, version = trace.identity
    application.s3.delete_object(Bucket=bucket, Key=key, VersionId=version)


def _forget(application: Application, _: Known, trace: Trace) -> None:
    if application.histories is not None:
        application.histories.forget(*trace.identity)


def _abort(application: Application, known: Known, trace: Trace) -> None:
    key, upload = trace.identity
    application.s3.abort_multipart_upload(Bucket=known.bucket, Key=key, UploadId=upload)


def _delete_record(application: Application, known: Known, trace: Trace) -> None:
    (version,) = trace.identity
    application.dynamodb.delete_item(TableName=application.table, Key=key_of(known.bucket, known.key, version))


_REMOVALS: Final[dict[Kind, Callable[[Application, Known, Trace], None]]] = {
    Kind.RUN: _await_run,
    Kind.LETTERS: _delete_letters,
    Kind.CAPTURES: _take_out,
    Kind.UNREADABLE: _leave,
    Kind.TRAINING: _delete_object,
    Kind.REVIEWED: _delete_object,
    Kind.HISTORY: _forget,
    Kind.UPLOAD: _abort,
    Kind.VERSION: _delete_object,
    Kind.RECORD: _delete_record,
}
