"""Lists as SageMaker gives them: filtered, sorted, and a page at a time.

A page's token names the last entry seen, so that what is added or deleted meanwhile shifts nothing.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.control.errors import invalid
from local.sagemaker.control.store import Record

DEFAULT_PAGE = 10


@dataclass(frozen=True)
class Listing:
    """What is particular about one list."""

    answer: str
    name: str
    status: str = ""
    default_order: str = "Descending"


def page(request: Mapping[str, Any], records: Iterable[Record], listing: Listing) -> dict[str, Any]:
    """One page of a list operation's answer."""
    matching = [record for record in records if _matches(request, record, listing)]
    field = {"Name": listing.name, "Status": listing.status, "CreationTime": "CreationTime"}.get(
        request.get("SortBy", "CreationTime"), "CreationTime"
    )
    return cut(request, matching, listing, lambda record: record.get(field, ""))


def cut(
    request: Mapping[str, Any], records: Iterable[Record], listing: Listing, value: Callable[[Record], Any]
) -> dict[str, Any]:
    """One page of records sorted by a value, the name deciding between equals."""

    def place(record: Record) -> tuple[Any, str]:
        return value(record), str(record[listing.name])

    falling = request.get("SortOrder", listing.default_order) == "Descending"
    ordered = sorted(records, key=place, reverse=falling)
    if "NextToken" in request:
        last = _last_place(request["NextToken"])
        try:
            ordered = [record for record in ordered if (place(record) < last if falling else place(record) > last)]
        except TypeError as error:
            raise invalid("Invalid NextToken: it belongs to a list in another order.") from error
    size = request.get("MaxResults", DEFAULT_PAGE)
    shown, more = ordered[:size], len(ordered) > size
    return {listing.answer: shown, **({"NextToken": _token(place(shown[-1]))} if more else {})}


def _matches(request: Mapping[str, Any], record: Record, listing: Listing) -> bool:
    def time(name: str) -> float:
        return float(record.get(name, 0))

    return (
        request.get("NameContains", "").lower() in str(record[listing.name]).lower()
        and request.get("StatusEquals", record.get(listing.status)) == record.get(listing.status)
        and all(
            request.get(f"{name}After", time(name)) <= time(name) <= request.get(f"{name}Before", time(name))
            for name in ("CreationTime", "LastModifiedTime")
        )
    )


def _token(position: tuple[Any, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _last_place(token: str) -> tuple[Any, str]:
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, RecursionError) as error:
        raise invalid("Invalid NextToken.") from error
    return value, name
