"""Which model answers, how sure it is, what another threshold would do, and which alarms ring."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request
from starlette.responses import Response

from console.pages.rendering import page, site_of
from console.pictures import model_at_hand
from console.site import Site
from vehiclevision.labels import LABELS
from vehiclevision.record import Record

NEWEST: Final = 1_000
# A threshold lies above one half: below, two labels could pass.
THRESHOLDS: Final = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class AtThreshold:
    """What would have become of the newest answers at a threshold."""

    threshold: float
    passed: int
    answers: int
    # Of those that would pass and that a person has looked at.
    judged: int
    right: int
    is_in_force: bool


def watch(request: Request) -> Response:
    """The page itself."""
    site = site_of(request)
    site.ledger.keep_up()
    answered = list(islice((each for each in site.ledger.newest_first() if _is_answered(each)), NEWEST))
    versions = Counter(record.model_version or "unknown" for record in answered)
    alarms, why_none = _alarms(site)
    model = model_at_hand()
    return page(
        request,
        "model.html",
        answered=answered,
        versions=versions.most_common(),
        now=answered[0].model_version if answered else None,
        manifest=model.manifest if model else None,
        table=at_thresholds(answered, site.threshold()),
        alarms=alarms,
        why_none=why_none,
    )


def at_thresholds(answered: Sequence[Record], in_force: float | None) -> list[AtThreshold]:
    """A row for each threshold, the one in force among them."""
    values = sorted({*THRESHOLDS, *([in_force] if in_force else [])})
    return [_at(answered, value, is_in_force=value == in_force) for value in values]


def _at(answered: Sequence[Record], threshold: float, *, is_in_force: bool) -> AtThreshold:
    passing = [record for record in answered if max(record.inferences or [0.0]) >= threshold]
    judged = [record for record in passing if record.reviewed_label]
    right = sum(_surest(record) == record.reviewed_label for record in judged)
    return AtThreshold(threshold, len(passing), len(answered), len(judged), right, is_in_force)


def _surest(record: Record) -> str:
    answers = record.inferences or []
    return LABELS[answers.index(max(answers))]


def _is_answered(record: Record) -> bool:
    return record.inferences is not None and len(record.inferences) == len(LABELS)


def _alarms(site: Site) -> tuple[list[dict[str, Any]], str]:
    """The application's alarms, those that ring first; or why they are not shown."""
    try:
        pages = site.deployed.client("cloudwatch").get_paginator("describe_alarms")
        found = [
            alarm
            for each in pages.paginate(AlarmNamePrefix=f"{site.deployed.stack}-")
            for alarm in (*each.get("MetricAlarms", []), *each.get("CompositeAlarms", []))
        ]
    except (ClientError, BotoCoreError) as error:
        return [], f"The alarms cannot be read ({type(error).__name__})."
    return sorted(found, key=lambda alarm: (alarm["StateValue"] != "ALARM", alarm["AlarmName"])), ""
