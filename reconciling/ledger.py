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
from reconciling.letters import Photo
from vehiclevision.record import announcement_id
from vehiclevision.storage import listed

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

    def photos(self, bucket: str) -> Iterator[tuple[Photo, str | None]]:
        """Each photo of that bucket whose gap is open, and since when."""
        query = {
            "KeyConditionExpression": "#kind = :gap",
            "FilterExpression": "s3_bucket = :bucket",
            "ExpressionAttributeNames": {"#kind": "kind"},
            "ExpressionAttributeValues": {":gap": {"S": GAP}, ":bucket": {"S": bucket}},
        }
        for item in listed(self.dynamodb, "query", "Items", TableName=self.table, ConsistentRead=True, **query):
            yield Photo(bucket, item["s3_key"]["S"], item["version_id"]["S"]), item.get("since", {}).get("S")

    def open(self, gap: Gap) -> None:
        """Remember a gap; again and again does no harm."""
        key, version_id = gap.photo.version
        item: dict[str, Any] = {
            **_name(gap.photo),
            "s3_bucket": {"S": gap.photo.bucket},
            "s3_key": {"S": key},
            "version_id": {"S": version_id},
            "missing": {"S": gap.missing},
            **({"since": {"S": gap.since}} if gap.since else {}),
        }
        self.dynamodb.put_item(TableName=self.table, Item=item)

    def close(self, photo: Photo) -> None:
        """Forget the gap of a photo that has none any more."""
        self.dynamodb.delete_item(TableName=self.table, Key=_name(photo))


def _name(photo: Photo) -> dict[str, Any]:
    """A gap's key: a hash, since S3's keys are longer than DynamoDB's may be."""
    return {"kind": {"S": GAP}, "name": {"S": announcement_id(photo.bucket, *photo.version, GAP)}}
