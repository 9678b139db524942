"""Photos that somebody looks at are held for a while, so that two people at once never decide the same one.

A hold lies on the record's item, and a decision is taken only by whom it is free for. It ends by itself.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vehiclevision.record import HELD_BY, HELD_UNTIL, Record, iso, key_of

HELD_NAMES: Final = {"#held_by": HELD_BY, "#held_until": HELD_UNTIL}
# The condition under which a photo may be held or decided; it takes :mark and :now.
FREE: Final = "(attribute_not_exists(#held_by) OR #held_by = :mark OR #held_until < :now)"


@dataclass(frozen=True)
class Desk:
    """The parts of the application that a review touches."""

    s3: Any
    dynamodb: Any
    events: Any
    bucket: str
    table: str
    bus: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class Reviewer:
    """A person who decides: the name on the record, and a seat that tells two people of one name apart."""

    name: str
    seat: str

    @property
    def mark(self) -> str:
        """What a photo that this person holds is marked with."""
        return f"{self.name}#{self.seat}"


def hold(desk: Desk, record: Record, reviewer: Reviewer, seconds: float, *, again: bool = False) -> Record | None:
    """Keep a photo for one reviewer until then; the record as it is now, or None if it is another's or decided.

    With `again` it may be decided already.
    """
    now = desk.now()
    undecided = "" if again else "attribute_not_exists(reviewed_label) AND "
    try:
        answer = desk.dynamodb.update_item(
            TableName=desk.table,
            Key=key_of(record.s3_bucket, record.s3_key, record.version_id),
            UpdateExpression="SET #held_by = :mark, #held_until = :until",
            ConditionExpression=f"attribute_exists(#object) AND {undecided}{FREE}",
            ExpressionAttributeNames={"#object": "object", **HELD_NAMES},
            ExpressionAttributeValues={
                ":mark": {"S": reviewer.mark},
                ":now": {"S": iso(now)},
                ":until": {"S": iso(now + timedelta(seconds=seconds))},
            },
            ReturnValues="ALL_NEW",
        )
    except desk.dynamodb.exceptions.ConditionalCheckFailedException:
        return None
    return Record.from_item(answer["Attributes"])


def release(desk: Desk, record: Record, reviewer: Reviewer) -> None:
    """Let others have a photo, if this reviewer holds it."""
    with contextlib.suppress(desk.dynamodb.exceptions.ConditionalCheckFailedException):
        desk.dynamodb.update_item(
            TableName=desk.table,
            Key=key_of(record.s3_bucket, record.s3_key, record.version_id),
            UpdateExpression="REMOVE #held_by, #held_until",
            ConditionExpression="#held_by = :mark",
            ExpressionAttributeNames=HELD_NAMES,
            ExpressionAttributeValues={":mark": {"S": reviewer.mark}},
        )
