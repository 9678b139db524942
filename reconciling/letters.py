"""The letters in the dead-letter queue: read, understood, put back or deleted.

source aws.s3          the upload's own event, which could not start the workflow
source aws.states      a run that failed, timed out or was stopped; detail.input is what it was started with
source vehiclevision   a run that could not write its record; detail.input likewise
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vehiclevision.record import NO_VERSION

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# While letters are looked at nobody else sees them; so long may a run take that is waited for.
HIDDEN_SECONDS: Final = 900
MOST_AT_ONCE: Final = 10  # ReceiveMessage's limit
NO_ERROR: Final = "the workflow could not be started"


@dataclass(frozen=True)
class Photo:
    """The photo that a request to the workflow names, as far as it does."""

    bucket: str
    key: str
    version_id: str | None = None
    sequencer: str | None = None
    correlation_id: str | None = None

    @property
    def version(self) -> tuple[str, str]:
        """Key and version, as the results table names them."""
        return self.key, self.version_id or NO_VERSION


@dataclass(frozen=True)
class Letter:
    """One message of the queue; without a photo it names none, and no machine can work it off."""

    message_id: str
    receipt: str
    photo: Photo | None
    error: str


def read(sqs: "SQSClient", queue_url: str) -> Iterator[Letter]:
    """Every letter that is in the queue now; each is hidden from others until it is put back, deleted, or forgotten."""
    seen: set[str] = set()
    while True:
        answer = sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=MOST_AT_ONCE, VisibilityTimeout=HIDDEN_SECONDS, WaitTimeSeconds=1
        )
        new = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not new:
            return
        for message in new:
            seen.add(message["MessageId"])
            photo, error = understood(message["Body"])
            yield Letter(message["MessageId"], message["ReceiptHandle"], photo, error)


def put_back(sqs: "SQSClient", queue_url: str, letter: Letter) -> None:
    """Let others see a letter again at once; where its time was over they do already, and SQS refuses."""
    with contextlib.suppress(sqs.exceptions.MessageNotInflight):
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=letter.receipt, VisibilityTimeout=0)


def delete(sqs: "SQSClient", queue_url: str, letter: Letter) -> None:
    """Take a letter out of the queue for good."""
    sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=letter.receipt)


def understood(body: str) -> tuple[Photo | None, str]:
    """The photo that a letter is about, if it names one, and what went wrong."""
    letter = _mapping(_parsed(body))
    detail = _mapping(letter.get("detail"))
    if letter.get("source") == "aws.s3":
        return photo_of(letter), NO_ERROR
    error = detail.get("error") or detail.get("status") or "it does not say why"
    return photo_of(detail.get("input")), str(error)[:200]


def photo_of(request: Any) -> Photo | None:
    """The photo that an input of the workflow, maybe as text, names: S3's event, or what is given by hand."""
    fields = _mapping(_parsed(request))
    stored = _mapping(_mapping(fields.get("detail")).get("object"))
    bucket = _mapping(_mapping(fields.get("detail")).get("bucket")).get("name", fields.get("s3_bucket"))
    key = stored.get("key", fields.get("s3_key"))
    if not (isinstance(bucket, str) and bucket and isinstance(key, str) and key):
        return None
    return Photo(
        bucket=bucket,
        key=key,
        version_id=_text(stored.get("version-id", fields.get("version_id"))),
        sequencer=_text(stored.get("sequencer", fields.get("sequencer"))),
        correlation_id=_text(fields.get("id")),
    )


def _parsed(value: Any) -> Any:
    """JSON that may stand as text; what is none is nothing."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
