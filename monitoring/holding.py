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
# The condition under which a photo may be looked at; it takes :mark and :now.
FREE: Final = "(attribute_not_exists(#held_by) OR #held_by = :mark OR #held_until < :now)"
# The one under which it may be decided: whoever decides may have said so before. It takes :deciding too.
OWN: Final = f"({FREE} OR #held_by = :deciding)"


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

    @property
    def deciding(self) -> str:
        """What a photo is marked with on which this person's word may still be undone: it is shown to nobody."""
        return f"{self.mark}/deciding"


def hold(desk: Desk, record: Record, reviewer: Reviewer, seconds: float) -> Record | None:
    """Keep a photo for one reviewer until then; the record as it is now, or None if it is another's or decided."""
    return _hold(desk, record, FREE, {":new": reviewer.mark, ":mark": reviewer.mark}, seconds)


def set_aside(desk: Desk, record: Record, reviewer: Reviewer, seconds: float) -> Record | None:
    """The same while the reviewer may still undo a word on it: nobody looks at it meanwhile."""
    return _hold(desk, record, OWN, {":new": reviewer.deciding, **marks(reviewer)}, seconds)


def take_back(desk: Desk, record: Record, reviewer: Reviewer, seconds: float) -> Record | None:
    """Hold what was set aside, to look at it again."""
    return _hold(desk, record, OWN, {":new": reviewer.mark, **marks(reviewer)}, seconds)


def marks(reviewer: Reviewer) -> dict[str, str]:
    """What OWN takes of a reviewer."""
    return {":mark": reviewer.mark, ":deciding": reviewer.deciding}


def _hold(desk: Desk, record: Record, condition: str, values: dict[str, str], seconds: float) -> Record | None:
    now = desk.now()
    values = {**values, ":now": iso(now), ":until": iso(now + timedelta(seconds=seconds))}
    try:
        answer = desk.dynamodb.update_item(
            TableName=desk.table,
            Key=key_of(record.s3_bucket, record.s3_key, record.version_id),
            UpdateExpression="SET #held_by = :new, #held_until = :until",
            ConditionExpression=f"attribute_exists(#object) AND attribute_not_exists(reviewed_label) AND {condition}",
            ExpressionAttributeNames={"#object": "object", **HELD_NAMES},
            ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
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
