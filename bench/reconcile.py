"""The join's own speed: listed versions and joined ones a second of CPU, without the network.

    python -m bench.reconcile

Real boto3 clients write each request and read each answer, as XML from S3 and JSON from DynamoDB; the answers are made
here instead of sent. What a call takes on its way comes on top, and is not measured.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config

from reconciling.gaps import of_versions
from reconciling.ledger import Position
from reconciling.sweep import Parts, step
from vehiclevision.record import iso
from vehiclevision.results import ResultsTable

PAGE, PAGES, REPEATS = 1000, 10, 3
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HEAD = '<?xml version="1.0"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'


class Body:
    """An answer's body, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        """All of it at once."""
        yield self._content


def answering(client: Any, event: str, answer: Callable[[Any], bytes]) -> Any:
    """A client whose calls of that kind are answered here."""
    client.meta.events.register(f"before-send.{event}", lambda request, **_: _response(request, answer(request)))
    return client


def _response(request: Any, content: bytes) -> AWSResponse:
    headers = HeadersDict({"content-type": "application/json"})
    return AWSResponse(request.url, 200, headers, Body(content))  # type: ignore[arg-type]


def page(_request: Any) -> bytes:
    """A page of a thousand versions, and there are more."""
    entries = "".join(
        f"<Version><Key>uploads/2026/11/28/rider-{number:06}.jpg</Key><VersionId>{number:032x}</VersionId>"
        f"<IsLatest>true</IsLatest><LastModified>2026-11-28T10:00:00.000Z</LastModified><ETag>&quot;{number:032x}&quot;"
        "</ETag><Size>2400000</Size><StorageClass>STANDARD</StorageClass></Version>"
        for number in range(PAGE)
    )
    truncated = (
        "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>"
    )
    return f"{HEAD}{truncated}{entries}</ListVersionsResult>".encode()


def records(request: Any) -> bytes:
    """A settled record for each key that was asked for."""
    (keys,) = json.loads(request.body)["RequestItems"].values()
    items = [_item(key) for key in keys["Keys"]]
    return json.dumps({"Responses": {"t": items}, "UnprocessedKeys": {}}).encode()


def _item(key: dict[str, Any]) -> dict[str, Any]:
    at = {"S": iso(NOW)}
    bucket, _, name = key["object"]["S"].partition("/")
    texts = {"s3_bucket": bucket, "s3_key": name, "outcome": "CLASSIFIED", "label": "bicycle", "route": "nearby"}
    numbers = {"width": "4032", "height": "3024", "bytes": "2400000", "brightness": "0.51", "sharpness": "0.03"}
    return {
        **key,
        **{field: {"S": value} for field, value in texts.items()},
        "confidence": {"N": "0.98"},
        "inferences": {"L": [{"N": "0.98"}, {"N": "0.01"}]},
        "measurements": {"M": {field: {"N": value} for field, value in numbers.items()}},
        "execution": {"S": "arn:aws:states:us-east-1:111122223333:execution:machine:run"},
        **dict.fromkeys(("uploaded_at", "started_at", "recorded_at", "announced_at"), at),
    }


def rate(work: Callable[[], int]) -> float:
    """The best of some tries, a second of CPU: others may be busy on the machine."""
    best = 0.0
    for _ in range(REPEATS):
        began = time.process_time()
        best = max(best, work() / (time.process_time() - began))
    return best


def main() -> None:
    """Print both rates."""
    settings: dict[str, Any] = {
        "region_name": "us-east-1",
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
        "config": Config(retries={"total_max_attempts": 1}),
    }
    ready = page(None)
    s3 = answering(boto3.client("s3", **settings), "s3.ListObjectVersions", lambda _: ready)
    dynamodb = answering(boto3.client("dynamodb", **settings), "dynamodb.BatchGetItem", records)
    results = ResultsTable(dynamodb, "t")
    parts = Parts(s3, results, None, "b")  # type: ignore[arg-type]

    def listed(since: datetime) -> int:
        position = Position(since, NOW, NOW)
        return sum(step(parts, position)[2] for _ in range(PAGES))

    old, new = rate(lambda: listed(NOW - timedelta(minutes=1))), rate(lambda: listed(NOW - timedelta(days=1)))
    versions = {(f"uploads/{number}", f"{number:032x}"): None for number in range(PAGE)}
    joined = rate(lambda: len(versions) + len(list(of_versions(results, "b", versions))))
    print(f"listed: {old:,.0f} versions a second of CPU; listed and looked up: {new:,.0f}; looked up: {joined:,.0f}")
    print(f"CPU for 100 million versions that lie there: {1e8 / old / 60:,.0f} min")
    print(f"CPU for a million new ones: {1e6 / new / 60:,.1f} min")


if __name__ == "__main__":
    main()
