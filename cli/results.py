"""The results table: one record for each object version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from cli.sources import PREFIX

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from cli.target import Target

CLASSIFIED: Final = "CLASSIFIED"
NEEDS_REVIEW: Final = "NEEDS_REVIEW"
REJECTED: Final = "REJECTED"
FAILED: Final = "FAILED"
OUTCOMES: Final = (CLASSIFIED, NEEDS_REVIEW, REJECTED, FAILED)
MAX_KEYS_PER_CALL: Final = 100  # BatchGetItem's limit
PAGE_ITEMS: Final = 200


@dataclass(frozen=True)
class Record:
    """How one image version ended."""

    s3_bucket: str
    s3_key: str
    version_id: str
    outcome: str
    label: str | None
    confidence: float | None
    inferences: list[float] | None
    route: str | None
    reason: str | None
    model_version: str | None
    measurements: dict[str, Any] | None
    execution: str | None
    correlation_id: str | None
    uploaded_at: str | None
    started_at: str | None
    recorded_at: str | None
    decided_by: str | None = None
    reviewed_label: str | None = None
    reviewed_at: str | None = None
    asked_about: bool | None = None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Record":
        """A record from DynamoDB's typed values; what is absent is None."""
        fields = {name: _plain(item.get(name, {"NULL": True})) for name in cls.__dataclass_fields__}
        if fields["confidence"] is not None:
            fields["confidence"] = float(fields["confidence"])
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ResultsTable:
    """Reads records, never writes them."""

    dynamodb: "DynamoDBClient"
    name: str

    @classmethod
    def of(cls, target: "Target") -> "ResultsTable":
        """The results table of an application."""
        return cls(target.client("dynamodb"), target.output("ResultsTableName"))

    def look_up(self, bucket: str, versions: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """The records that exist among (key, version id) pairs, a hundred to a call."""
        found = {}
        for start in range(0, len(versions), MAX_KEYS_PER_CALL):
            keys = [_key(bucket, key, version) for key, version in versions[start : start + MAX_KEYS_PER_CALL]]
            answer = self.dynamodb.batch_get_item(RequestItems={self.name: {"Keys": keys}})
            # What DynamoDB leaves unprocessed counts as not there yet: whoever waits asks again.
            for item in answer["Responses"].get(self.name, []):
                record = Record.from_item(item)
                found[record.s3_key, record.version_id] = record
        return found

    def versions(self, bucket: str, key: str) -> list[Record]:
        """All recorded versions of one object, newest first."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": "object"},
            ExpressionAttributeValues={":object": {"S": f"{bucket}/{key}"}},
        )
        records = [Record.from_item(item) for page in pages for item in page["Items"]]
        return sorted(records, key=_newest, reverse=True)

    def newest(self, outcomes: Sequence[str], limit: int) -> list[Record]:
        """The newest records with one of the outcomes, newest first."""
        records = [record for outcome in outcomes for record in islice(self._by_outcome(outcome, limit, None), limit)]
        return sorted(records, key=_newest, reverse=True)[:limit]

    def of_outcome(self, outcome: str, *, newest_first: bool = True) -> Iterator[Record]:
        """Every record with this outcome, by the time at which it was recorded."""
        return self._by_outcome(outcome, PAGE_ITEMS, None, newest_first=newest_first)

    def search(self, bucket: str, name: str, outcomes: Sequence[str], limit: int) -> list[Record]:
        """Records of the object with that key, or else of those whose key ends so, newest first.

        A whole key is looked up; an ending is searched for in all records, which takes a while in a large table.
        """
        for key in (name, PREFIX + name):
            if exact := [record for record in self.versions(bucket, key) if record.outcome in outcomes]:
                return exact[:limit]
        records = [
            record
            for outcome in outcomes
            for record in islice(
                (found for found in self._by_outcome(outcome, PAGE_ITEMS, name) if found.s3_key.endswith(name)), limit
            )
        ]
        return sorted(records, key=_newest, reverse=True)[:limit]

    def _by_outcome(
        self, outcome: str, page_items: int, part: str | None, *, newest_first: bool = True
    ) -> Iterator[Record]:
        """Records with one outcome in their order; with `part`, only those whose key holds it."""
        narrowed: dict[str, Any] = {}
        names, values = {"#outcome": "outcome"}, {":outcome": {"S": outcome}}
        if part:
            narrowed = {"FilterExpression": "contains(#key, :part)"}
            names["#key"] = "s3_key"
            values[":part"] = {"S": part}
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.name,
            IndexName="by_outcome",
            KeyConditionExpression="#outcome = :outcome",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": min(page_items, PAGE_ITEMS)},
            **narrowed,
        )
        for page in pages:
            yield from map(Record.from_item, page["Items"])


def _key(bucket: str, key: str, version_id: str) -> dict[str, Any]:
    return {"object": {"S": f"{bucket}/{key}"}, "version_id": {"S": version_id}}


def _newest(record: Record) -> str:
    return record.recorded_at or ""


def _plain(value: Mapping[str, Any]) -> Any:
    """One of DynamoDB's typed values as plain JSON."""
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            number = float(content)
            return int(number) if number.is_integer() and "." not in content else number
        case "L":
            return [_plain(element) for element in content]
        case "M":
            return {name: _plain(element) for name, element in content.items()}
    return content
