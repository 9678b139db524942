"""From when to when, as a person types it."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from cli.display import printable
from cli.errors import USAGE, CommandError
from monitoring.captures.source import Window

# Ends of a window that is open on one side; records of other years are nobody's.
EARLIEST, LATEST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def ends(
    since: str | None, until: str | None, last: str | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The two ends that --since, --until and --last ask for; None is open."""
    if last is not None:
        if since or until:
            raise CommandError("--last goes with neither --since nor --until.", "Give one or the other.", USAGE)
        return max(now - _length(last), EARLIEST), now
    start, end = moment("--since", since), moment("--until", until)
    if start and end and start >= end:
        raise CommandError("--since is not before --until.", "Swap them, or leave one out.", USAGE)
    return start, end


def window(start: datetime | None, end: datetime | None) -> Window | None:
    """What lies between the ends; None where both are open."""
    return Window(start or EARLIEST, end or LATEST) if start or end else None


def _length(text: str) -> timedelta:
    parts = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
    if not parts or not int(parts[1]):
        raise CommandError(f"{printable(text)[:40]} is no length of time.", "Write --last 90m, 24h, 7d or 4w.", USAGE)
    return timedelta(**{_UNITS[parts[2]]: int(parts[1])})


def moment(option: str, text: str | None, zone: tzinfo | None = UTC) -> datetime | None:
    """The moment that an option names, in this zone unless it names another; no zone is this machine's own."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        at = (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandError(
            f"{option} {printable(text)[:40]} is no time.",
            f"Write 2026-11-21 or 2026-11-21T14:00{', in UTC' if zone else ''}.",
            USAGE,
        ) from error
    return min(max(at, EARLIEST), LATEST)
