"""How a command is told which captured data it is about: where, from when to when; and the bar while it is read."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from cli.display import notes, printable
from cli.errors import USAGE, CommandError
from cli.target import Target, find, find_account, state_directory
from local import stack as local_stack
from monitoring.captures.source import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3: Final = "s3://"
# Ends of a window that is open on one side; records of other years are nobody's.
EARLIEST, LATEST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Where:
    """The stack or account in AWS that was named, if any."""

    stack: str | None = None
    region: str | None = None
    profile: str | None = None

    def application(self) -> Target:
        """The application: a stack, or the local AWS, which must be up."""
        return find(self.stack, self.region, self.profile)

    def s3(self) -> "S3Client":
        """The S3 of what was named; else that of the local AWS if it is up; else as the AWS SDK finds it by itself."""
        named = self.stack or self.region or self.profile
        if named or local_stack.running(state_directory()):
            found: S3Client = find_account(self.stack, self.region, self.profile, aws=False).client("s3")
            return found
        import boto3  # noqa: PLC0415 - a folder is read without an SDK

        return boto3.client("s3")


def ends(
    since: str | None, until: str | None, last: str | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The two ends that --since, --until and --last ask for; None is open."""
    if last is not None:
        if since or until:
            raise CommandError("--last goes with neither --since nor --until.", "Give one or the other.", USAGE)
        return max(now - _length(last), EARLIEST), now
    start, end = _moment("--since", since), _moment("--until", until)
    if start and end and start >= end:
        raise CommandError("--since is not before --until.", "Swap them, or leave one out.", USAGE)
    return start, end


def window(start: datetime | None, end: datetime | None) -> Window | None:
    """What lies between the ends; None where both are open."""
    return Window(start or EARLIEST, end or LATEST) if start or end else None


def _length(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
    if not found or not int(found[1]):
        raise CommandError(f"{printable(text)[:40]} is no length of time.", "Write --last 90m, 24h, 7d or 4w.", USAGE)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandError(
            f"{option} {printable(text)[:40]} is no time.", "Write 2026-11-21 or 2026-11-21T14:00, in UTC.", USAGE
        ) from error
    return min(max(found, EARLIEST), LATEST)


@contextmanager
def bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar in bytes; nothing where there is no terminal."""
    console = notes()
    with Progress(
        TextColumn("Reading"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, found: progress.update(task, completed=done, total=max(done, found))
