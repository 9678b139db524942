"""Find photos that were lost from sight, and with --fix put them right.

Joins what was uploaded, recorded, announced and left in the dead-letter queue, and names each gap: NOT_RECORDED,
FAILED, NOT_ANNOUNCED or REVIEW_UNFINISHED. What is younger than a quarter of an hour may still be under way and is left
alone. --fix starts each of them again: what is missing is done, and nothing else is repeated. The exit code is 0
without a gap, 1 with one.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.display import notes, tell
from cli.errors import FAILURE, SUCCESS
from cli.options import Application, AsJson
from cli.reconciling import counted, parts_of, photo_line
from reconciling import gaps, letters, repair


def command(
    application: Application,
    fix: Annotated[bool, typer.Option("--fix", help="Start again what has a gap.")] = False,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, help="Look so far back; records must be kept longer than that.")
    ] = 30,
    as_json: AsJson = False,
) -> int:
    """Name each gap; 1 if one is left."""
    target, now = application.target(), datetime.now(UTC)
    parts, bucket = parts_of(target), target.output("BucketName")
    read = list(letters.read(parts.sqs, parts.queue_url))
    for letter in read:
        letters.put_back(parts.sqs, parts.queue_url, letter)
    since = now - timedelta(days=days)
    missing = list(gaps.find(target.client("s3"), target.results, bucket, read, since=since, now=now))
    if not fix:
        for gap in missing:
            tell(as_json, gap.to_json(), photo_line(gap.missing, gap.photo, bucket, gap.reason or ""))
        _sum_up(len(missing), len(read), fixed=None, options=target.options)
        return FAILURE if missing else SUCCESS
    left = 0
    for each in repair.repair(parts, missing):
        left += each.left is not None
        facts = each.gap.to_json() | {"left": each.left, "detail": each.detail}
        tell(as_json, facts, photo_line(each.left, each.gap.photo, bucket, each.detail))
    _sum_up(left, len(read), fixed=len(missing) - left, options=target.options)
    return FAILURE if left else SUCCESS


def _sum_up(left: int, waiting: int, fixed: int | None, options: str) -> None:
    done = f"{counted(fixed, 'photo')} put right. " if fixed else ""
    notes().print(f"{done}{counted(left, 'gap')}." if left else f"{done}There is no gap.")
    if left and fixed is None:
        notes().print(f"Put them right with: vehiclevision reconcile --fix{options}")
    if waiting:
        notes().print(f"{counted(waiting, 'letter')} in the queue; work them off with: vehiclevision redrive{options}")
