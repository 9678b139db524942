"""What the application's own records add to captured data: how long images took, and which model answered.

Captured data says when, never how long, and names a model only where the request did.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from monitoring.captures.source import Window
from monitoring.check import iso

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OUTCOMES: Final = ("CLASSIFIED", "NEEDS_REVIEW")
# Of each outcome the newest: enough for a p99, whatever the table holds.
MAX_RECORDS: Final = 20_000
NOT_CAPTURED: Final = (
    "Captured data does not say how long an answer took. Without --from, the application’s own records do."
)
NOT_RECORDED: Final = "No image was recorded in this window."
WHOLE_SECONDS: Final = "S3 gives the time of an upload in whole seconds, so the first row may be up to a second long."


@dataclass(frozen=True)
class Recorded:
    """Seconds of the images that the endpoint answered, and the versions that did; `why` says why there are none."""

    why: str = NOT_CAPTURED
    upload_to_record: list[float] = field(default_factory=list)
    start_to_record: list[float] = field(default_factory=list)
    model_versions: Counter[str] = field(default_factory=Counter)


def read(dynamodb: "DynamoDBClient", table: str, window: Window | None) -> Recorded:
    """All images recorded in the window, of very many the newest."""
    found = Recorded(WHOLE_SECONDS)
    for outcome in OUTCOMES:
        for count, item in enumerate(_items(dynamodb, table, outcome, window)):
            if count == MAX_RECORDS:
                break
            _count(found, item)
    return found if found.upload_to_record else Recorded(NOT_RECORDED, model_versions=found.model_versions)


def _count(found: Recorded, item: Mapping[str, Any]) -> None:
    recorded = _time(item, "recorded_at")
    for name, seconds in (("uploaded_at", found.upload_to_record), ("started_at", found.start_to_record)):
        begun = _time(item, name)
        if recorded and begun and recorded >= begun:
            seconds.append((recorded - begun).total_seconds())
    if version := item.get("model_version", {}).get("S"):
        found.model_versions[version] += 1


def _items(dynamodb: "DynamoDBClient", table: str, outcome: str, window: Window | None) -> Iterator[Mapping[str, Any]]:
    """Records with one outcome, newest first."""
    condition, values = "#outcome = :outcome", {":outcome": {"S": outcome}}
    if window is not None:
        condition += " AND recorded_at BETWEEN :start AND :end"
        values |= {
            ":start": {"S": iso(window.start)},
            ":end": {"S": iso(window.end)},
        }
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName="by_outcome",
        KeyConditionExpression=condition,
        ProjectionExpression="uploaded_at, started_at, recorded_at, model_version",
        ExpressionAttributeNames={"#outcome": "outcome"},
        ExpressionAttributeValues=values,
        ScanIndexForward=False,
    )
    for page in pages:
        yield from page["Items"]


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}"


def _time(item: Mapping[str, Any], name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(item[name]["S"])
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo else None
