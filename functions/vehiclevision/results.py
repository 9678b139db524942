"""Reading the results table: one record for each version of a photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from vehiclevision.record import OUTCOME_INDEX, Outcome, Record, key_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Where photos that start the workflow lie in the bucket.
UPLOADS: Final = "uploads/"
# How a photo of another bucket is named, which a backfill went through.
ADDRESS: Final = "s3://"
MAX_KEYS_PER_CALL: Final = 100  # BatchGetItem's limit
PAGE_ITEMS: Final = 200


def bucket_and_key(address: str) -> tuple[str, str]:
    """What an s3:// address names."""
    bucket, _, key = address.removeprefix(ADDRESS).partition("/")
    return bucket, key


@dataclass(frozen=True)
class ResultsTable:
    """Reads records, never writes them."""

    dynamodb: "DynamoDBClient"
    name: str

    def look_up(self, bucket: str, versions: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """The records that exist among (key, version id) pairs, a hundred to a call."""
        records = {}
        for start in range(0, len(versions), MAX_KEYS_PER_CALL):
            keys = [key_of(bucket, key, version) for key, version in versions[start : start + MAX_KEYS_PER_CALL]]
            answer = self.dynamodb.batch_get_item(RequestItems={self.name: {"Keys": keys}})
            # What DynamoDB leaves unprocessed counts as not there yet: whoever waits asks again.
            for item in answer["Responses"].get(self.name, []):
                record = Record.from_item(item)
                records[record.s3_key, record.version_id] = record
        return records

    def one(self, bucket: str, key: str, version_id: str) -> Record | None:
        """The record of one version as it is now, or None."""
        item = self.dynamodb.get_item(TableName=self.name, Key=key_of(bucket, key, version_id), ConsistentRead=True)
        return Record.from_item(item["Item"]) if "Item" in item else None

    def versions(self, bucket: str, key: str) -> list[Record]:
        """All recorded versions of one object as they are now, newest first."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": "object"},
            ExpressionAttributeValues={":object": {"S": f"{bucket}/{key}"}},
            ConsistentRead=True,
        )
        records = [Record.from_item(item) for page in pages for item in page["Items"]]
        return sorted(records, key=_newest, reverse=True)

    def named(self, bucket: str, name: str) -> list[Record]:
        """All recorded versions of the object with that whole key, or with that s3:// address, newest first."""
        if name.startswith(ADDRESS):
            return self.versions(*bucket_and_key(name))
        return self.versions(bucket, name) or self.versions(bucket, UPLOADS + name)

    def newest(self, outcomes: Sequence[Outcome], limit: int) -> list[Record]:
        """The newest records with one of the outcomes, newest first."""
        records = [record for outcome in outcomes for record in islice(self.of_outcome(outcome, limit), limit)]
        return sorted(records, key=_newest, reverse=True)[:limit]

    def search(self, bucket: str, name: str, outcomes: Sequence[Outcome], limit: int) -> list[Record]:
        """Records of the object with that key, or else of those whose key ends so, newest first.

        A whole key is looked up; an ending is searched for in all records, which takes a while in a large table.
        """
        if exact := [record for record in self.named(bucket, name) if record.outcome in outcomes]:
            return exact[:limit]
        records = [
            record
            for outcome in outcomes
            for record in islice(
                (each for each in self.of_outcome(outcome, part=name) if each.s3_key.endswith(name)), limit
            )
        ]
        return sorted(records, key=_newest, reverse=True)[:limit]

    def of_outcome(
        self,
        outcome: Outcome,
        page_items: int = PAGE_ITEMS,
        *,
        newest_first: bool = True,
        part: str | None = None,
        between: tuple[str, str] | None = None,
    ) -> Iterator[Record]:
        """Records with this outcome by the time at which they were recorded.

        With `part`, only those whose key holds it; with `between`, only those recorded from then to then.
        """
        query = self._query(outcome, between)
        if part:
            query["FilterExpression"] = "contains(#key, :part)"
            query["ExpressionAttributeNames"]["#key"] = "s3_key"
            query["ExpressionAttributeValues"][":part"] = {"S": part}
        pages = self.dynamodb.get_paginator("query").paginate(
            **query, ScanIndexForward=not newest_first, PaginationConfig={"PageSize": min(page_items, PAGE_ITEMS)}
        )
        for page in pages:
            yield from map(Record.from_item, page["Items"])

    def unfinished(self, between: tuple[str, str]) -> Iterator[Record]:
        """Records of that time that may lack something: FAILED ones, unannounced ones, half-finished reviews."""
        yield from self.of_outcome(Outcome.FAILED, between=between)
        half_reviewed = "attribute_exists(reviewed_label) AND attribute_not_exists(decided_by)"
        unannounced = "attribute_type(announced_at, :null)"
        for outcome in Outcome:
            if outcome is Outcome.FAILED:
                continue
            query = self._query(outcome, between)
            query["FilterExpression"] = half_reviewed
            if outcome is Outcome.CLASSIFIED:
                query["FilterExpression"] = f"{unannounced} OR ({half_reviewed})"
                query["ExpressionAttributeValues"][":null"] = {"S": "NULL"}
            for page in self.dynamodb.get_paginator("query").paginate(**query):
                yield from map(Record.from_item, page["Items"])

    def count(self, outcome: Outcome, between: tuple[str, str], enough: int) -> int:
        """How many records with this outcome were recorded in between; counting ends at `enough`."""
        counted = 0
        # A page ends at 1 MB, however many are asked for.
        pages = self.dynamodb.get_paginator("query").paginate(
            **self._query(outcome, between), Select="COUNT", PaginationConfig={"PageSize": min(enough, PAGE_ITEMS)}
        )
        for page in pages:
            counted += page["Count"]
            if counted >= enough:
                break
        return min(counted, enough)

    def _query(self, outcome: Outcome, between: tuple[str, str] | None) -> dict[str, Any]:
        condition, values = "#outcome = :outcome", {":outcome": {"S": outcome.value}}
        if between:
            condition += " AND recorded_at BETWEEN :since AND :until"
            values |= {":since": {"S": between[0]}, ":until": {"S": between[1]}}
        return {
            "TableName": self.name,
            "IndexName": OUTCOME_INDEX,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {"#outcome": "outcome"},
            "ExpressionAttributeValues": values,
        }


def _newest(record: Record) -> str:
    return record.recorded_at or ""
