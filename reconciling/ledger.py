"""What the scheduled join remembers, in a table of its own: how far it has come, and every gap that is open.

    kind  name
    join  position            from when to when, and how far in between
    gap   hash of a version   key, version, what it lacks, since when

An open gap must be remembered: once the join has moved on nothing else tells of it, and its alarm would return to OK.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from reconciling.gaps import Gap
from vehiclevision.record import NO_VERSION, announcement_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

JOIN: Final = {"kind": {"S": "join"}, "name": {"S": "position"}}
GAP: Final = "gap"


class MovedMeanwhileError(Exception):
    """Another run of the join has moved the position: it goes on, and this one ends."""


@dataclass(frozen=True)
class Position:
    """All until `since` is joined; from there to `until`, records until `recorded`, and versions up to the markers."""

    since: datetime
    until: datetime
    recorded: datetime
    key_marker: str = ""
    version_marker: str = ""
    revision: int = 0

    @property
    def markers(self) -> dict[str, Any]:
        """Where the listing of versions goes on, as S3 takes it."""
        if not self.key_marker:
            return {}
        version = {"VersionIdMarker": self.version_marker} if self.version_marker else {}
        return {"KeyMarker": self.key_marker, **version}


@dataclass(frozen=True)
class OpenGap:
    """A gap that was found and not seen closed."""

    key: str
    version_id: str
    missing: str
    since: str | None


@dataclass(frozen=True)
class Ledger:
    """The table."""

    dynamodb: "DynamoDBClient"
    table: str

    def position(self) -> Position | None:
        """How far the join has come; None before the first."""
        item = self.dynamodb.get_item(TableName=self.table, Key=JOIN, ConsistentRead=True).get("Item")
        if item is None:
            return None
        since, until, recorded = (datetime.fromisoformat(item[name]["S"]) for name in ("since", "until", "recorded"))
        key_marker, version_marker = (item[name]["S"] for name in ("key_marker", "version_marker"))
        return Position(since, until, recorded, key_marker, version_marker, int(item["revision"]["N"]))

    def move(self, position: Position) -> Position:
        """Note how far it has come, unless somebody else has moved it since; MovedMeanwhileError then."""
        moved = replace(position, revision=position.revision + 1)
        moments = {name: {"S": getattr(moved, name).isoformat()} for name in ("since", "until", "recorded")}
        markers = {name: {"S": getattr(moved, name)} for name in ("key_marker", "version_marker")}
        item: dict[str, Any] = {**JOIN, **moments, **markers, "revision": {"N": str(moved.revision)}}
        try:
            self.dynamodb.put_item(
                TableName=self.table,
                Item=item,
                ConditionExpression="attribute_not_exists(revision) OR revision = :seen",
                ExpressionAttributeValues={":seen": {"N": str(position.revision)}},
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise MovedMeanwhileError from error
        return moved

    def gaps(self, bucket: str) -> Iterator[OpenGap]:
        """All that are open in that bucket."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="#kind = :gap",
            FilterExpression="s3_bucket = :bucket",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":gap": {"S": GAP}, ":bucket": {"S": bucket}},
            ConsistentRead=True,
        )
        for item in (item for page in pages for item in page["Items"]):
            since = item.get("since", {}).get("S")
            yield OpenGap(item["s3_key"]["S"], item["version_id"]["S"], item["missing"]["S"], since)

    def open(self, gap: Gap) -> OpenGap:
        """Remember a gap; again and again does no harm."""
        opened = OpenGap(gap.photo.key, gap.photo.version_id or NO_VERSION, gap.missing, gap.since)
        item: dict[str, Any] = {
            **_name(gap.photo.bucket, opened),
            "s3_bucket": {"S": gap.photo.bucket},
            "s3_key": {"S": opened.key},
            "version_id": {"S": opened.version_id},
            "missing": {"S": opened.missing},
            **({"since": {"S": opened.since}} if opened.since else {}),
        }
        self.dynamodb.put_item(TableName=self.table, Item=item)
        return opened

    def close(self, bucket: str, gap: OpenGap) -> None:
        """Forget a gap that is closed."""
        self.dynamodb.delete_item(TableName=self.table, Key=_name(bucket, gap))


def _name(bucket: str, gap: OpenGap) -> dict[str, Any]:
    """A gap's key: a hash, since S3's keys are longer than DynamoDB's may be."""
    return {"kind": {"S": GAP}, "name": {"S": announcement_id(bucket, gap.key, gap.version_id, GAP)}}
