"""List what became of images, newest first.

Filters and pages are those of the page. Times are this machine's; with --json they are UTC.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated

from cli.display import notes, output, record_line, tell
from cli.errors import SUCCESS
from cli.options import Application, AsJson, Label, argument, option
from cli.target import Target
from cli.times import EARLIEST, LATEST, moment
from console.searching import Search
from vehiclevision.labels import TRUTHS, either
from vehiclevision.record import Outcome, Record, iso


def command(
    *,
    application: Application,
    key: Annotated[
        str | None, argument("KEY", "A whole key or s3:// address, for all its versions, or the end of one.")
    ] = None,
    outcome: Annotated[
        Outcome | None, option("--outcome", "OUTCOME", f"Only {either(tuple(Outcome))}.", case_sensitive=False)
    ] = None,
    limit: Annotated[int, option("--limit", "N", "So many a page.", min=1)] = 20,
    page: Annotated[int, option("--page", "N", "This page of them.", min=1)] = 1,
    text: Annotated[str, option("--text", "TEXT", "Only keys that hold this.")] = "",
    label: Annotated[
        Label | None, option("--label", "LABEL", f"Only {either(TRUTHS)}: a person's word, else the model's.")
    ] = None,
    since: Annotated[str | None, option("--since", "TIME", "Recorded from then on; local if it names no zone.")] = None,
    until: Annotated[str | None, option("--until", "TIME", "Recorded before then.")] = None,
    least: Annotated[float | None, option("--least", "X", "The model at least so sure.", min=0, max=1)] = None,
    most: Annotated[float | None, option("--most", "X", "The model at most so sure.", min=0, max=1)] = None,
    as_json: AsJson = False,
) -> int:
    """List records, newest first."""
    target, before = application.target(), (page - 1) * limit
    bucket = target.output("BucketName")
    ends = moment("--since", since, None) or EARLIEST, moment("--until", until, None) or LATEST
    search = Search(text=text, outcome=outcome or "", label=label or "", least=_share(least), most=_share(most))
    start, end = map(iso, ends)
    newest_first = _newest_first(target, key, outcome, (start, end))
    passing = (each for each in newest_first if start <= (each.recorded_at or "") < end and search.passes(each))
    records = list(islice(passing, before, before + limit + 1))
    shown = records[:limit]
    if shown and not as_json:
        recorded = f"recorded ({datetime.now().astimezone():%Z})"
        output().print(f"{recorded:<19}  {'outcome':<12}  {'what':<24}  key", style="bold")
    for record in shown:
        tell(as_json, record.to_json(), record_line(record, bucket))
    if not shown and not as_json:
        notes().print("Nothing is recorded of that. Images come in with: vehiclevision drop PATH...")
    if len(records) > limit:
        notes().print(f"There are more: --page {page + 1} shows the next ones, --limit N more at a time.")
    return SUCCESS


def _share(share: float | None) -> str:
    return "" if share is None else str(share)


def _newest_first(
    target: Target, key: str | None, outcome: Outcome | None, between: tuple[str, str]
) -> Iterator[Record]:
    """Records, read as they are asked for: all of an object, or those of that time, with a key where keys end so."""
    results = target.results
    if key and (versions := results.named(target.output("BucketName"), key)):
        yield from versions
        return
    outcomes = [outcome] if outcome else list(Outcome)
    each = [results.of_outcome(one, part=key, between=between) for one in outcomes]
    for record in heapq.merge(*each, key=lambda record: record.recorded_at or "", reverse=True):
        if record.s3_key.endswith(key or ""):
            yield record
