"""What was found is taken away, what tells of the rest last; what is gone already is no fault."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from botocore.exceptions import ClientError

from erasing import captures
from erasing.traces import Application, Kind, Known, Trace
from reconciling import letters
from vehiclevision.record import key_of
from vehiclevision.storage import code_of

# The longest that a run waits for its endpoint, with all retries, and some more.
RUN_SECONDS: Final = 15 * 60
LOOK_EVERY_SECONDS: Final = 1.0
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404"})
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


def erase(application: Application, known: Known, traces: Sequence[Trace]) -> Iterator[Trace]:
    """Take each away and hand it on when that is done; a run on its way is waited for, else it would write anew."""
    for trace in traces:
        try:
            _remove(application, known, trace)
        except ClientError as error:
            code = code_of(error)
            if code in _CHANGED:
                continue  # whoever looks again finds it as it is now
            if code not in _GONE:
                raise
        if trace.kind is not Kind.UNREADABLE:
            yield trace


def _remove(application: Application, known: Known, trace: Trace) -> None:
    match trace.kind:
        case Kind.RUN:
            _await_run(application, *trace.identity)
        case Kind.LETTERS:
            for letter in list(letters.read(application.sqs, application.queue_url)):
                act = letters.delete if known.is_of(letter.photo) else letters.put_back
                act(application.sqs, application.queue_url, letter)
        case Kind.CAPTURES if trace.held is not None:
            captures.take_out(application.s3, trace.held, known.marks)
        case Kind.TRAINING | Kind.REVIEWED | Kind.VERSION:
            bucket, key, version = trace.identity
            application.s3.delete_object(Bucket=bucket, Key=key, VersionId=version)
        case Kind.HISTORY if application.histories is not None:
            application.histories.forget(*trace.identity)
        case Kind.UPLOAD:
            key, upload = trace.identity
            application.s3.abort_multipart_upload(Bucket=known.bucket, Key=key, UploadId=upload)
        case Kind.RECORD:
            (version,) = trace.identity
            application.dynamodb.delete_item(TableName=application.table, Key=key_of(known.bucket, known.key, version))
        case _:
            pass  # no machine can do it: it is still there when somebody looks again


def _await_run(application: Application, execution: str) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        if application.step_functions.describe_execution(executionArn=execution)["status"] != "RUNNING":
            return
        time.sleep(LOOK_EVERY_SECONDS)
