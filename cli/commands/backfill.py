"""Classify photos that lie in a bucket already.

Each goes through the same workflow as an upload, and is recorded and announced like one; what is recorded already is
left alone. Run it again after a stop or a fault: it goes on where it ended. It starts nothing while an alarm of the
application on throttling or the endpoint rings. The exit code is 0 when everything has an outcome, 1 when not.

A photo in another bucket stays there, and its record is kept under that bucket's name. The bucket must be of this
account and region; until backfilling's stack is updated or deleted, the application may read there.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

from rich.console import Console

from cli import backfilling
from cli.backfilling import BATCH, Counted, Seen, Source
from cli.display import notes, on_interrupt, output, printable, tell, typed
from cli.errors import FAILURE, SUCCESS, CommandError
from cli.options import Application, AsJson, NoWait, YesToQuestions, argument, flag, option
from cli.reconciling import counted
from cli.sagemaker import Dialogue
from cli.sam import Deployer
from cli.target import Target
from training.progress import bars

WORDS: Final[Mapping[str, str]] = {
    "done": "classified, put up for review, or refused",
    "recorded_before": "had an outcome already",
    "left_to_upload": "came in within the last quarter of an hour and are left to their own upload",
    "failed": "ended as FAILED; see why with: {typed} results{options} --outcome failed",
    "ended_without_record": "left no record; put them right with: {typed} redrive{options} --fix",
    "gone": "were deleted meanwhile",
}


def command(
    *,
    address: Annotated[str, argument("S3", "s3://BUCKET/PREFIX: all whose key begins with the prefix.")],
    application: Application,
    limit: Annotated[
        int | None, option("--limit", "N", "At most so many photos.", min=1, max=backfilling.MOST_PHOTOS)
    ] = None,
    at_a_time: Annotated[
        int, option("--at-a-time", "N", f"So many photos at a time, in batches of {BATCH}.", min=BATCH, max=10_000)
    ] = BATCH,
    dry_run: Annotated[bool, flag("--dry-run", "Count, name the price, and start nothing.")] = False,
    stop: Annotated[bool, flag("--stop", "Stop the one that runs; photos under way end by themselves.")] = False,
    no_wait: NoWait = False,
    yes: YesToQuestions = False,
    as_json: AsJson = False,
) -> int:
    """Count, name the price, ask, and go through what lies there."""
    target, source = application.target(), Source.from_text(address, limit)
    running = backfilling.under_way(target)
    if running and (running[1].bucket, running[1].prefix) != (source.bucket, source.prefix):
        raise CommandError(
            f"A backfill of {printable(running[1].address)} is on its way, and there is one at a time.",
            f"See how it goes, or stop it: {typed()} backfill {printable(running[1].address)} --stop{target.options}",
        )
    if stop:
        return _stop(target, source, running)
    if running:
        notes().print("It is on its way already.")
        return _follow(target, source, running[0], as_json=as_json) if not no_wait else SUCCESS
    lying = _count(target, source)
    cost = backfilling.dollars(lying.photos)
    facts = {"source": source.address, "photos": lying.photos, "counted_all": lying.whole, "dollars_at_most": cost}
    if dry_run or not lying.photos:
        return tell(as_json, {**facts, "bytes": lying.bytes}, _priced(source, lying, cost))
    notes().print(_priced(source, lying, cost))
    Dialogue(yes=yes or target.is_local).ask("Go through them?")
    machine = backfilling.deploy(Deployer(target, application.profile, yes, quiet=as_json), source)
    execution = backfilling.start(target, machine, source, at_a_time)
    if no_wait:
        return tell(as_json, {**facts, "execution": execution}, f"It has begun. {_again(target, source)}")
    return _follow(target, source, execution, as_json=as_json)


def _priced(source: Source, lying: Counted, cost: float) -> str:
    if not lying.photos:
        return f"Nothing lies in {printable(source.address)}: upper and lower case count, and no / stands before a key."
    more = "" if lying.whole else "more than "
    cents = cost * 100
    dollars = (math.floor(cents) if more else math.ceil(cents)) / 100
    size = f"{lying.bytes / 1e9:,.1f} GB" if lying.bytes >= 1e8 else f"{lying.bytes / 1e6:,.1f} MB"
    return (
        f"{printable(source.address)}: {more}{lying.photos:,} objects, {more}{size}. Classifying them costs "
        f"{'more than' if more else 'at most'} ${dollars:,.2f} in AWS at list prices, beside the endpoint; "
        "what is recorded already costs next to nothing."
    )


def _count(target: Target, source: Source) -> Counted:
    with Console(stderr=True).status("Counting") as shown:
        return backfilling.count(target, source, lambda photos: shown.update(f"Counting: {photos:,}"))


def _stop(target: Target, source: Source, running: tuple[str, Source] | None) -> int:
    if running is None:
        output().print("None is on its way.")
        return SUCCESS
    target.client("stepfunctions").stop_execution(executionArn=running[0])
    output().print(f"Stopped. Photos that were under way end by themselves. Go on with: {_command(target, source)}")
    return SUCCESS


def _command(target: Target, source: Source) -> str:
    return f"{typed()} backfill {printable(source.address)}{target.options}"


def _again(target: Target, source: Source) -> str:
    return f"See how it goes: {_command(target, source)}. Stop it: {_command(target, source)} --stop"


def _follow(target: Target, source: Source, execution: str, *, as_json: bool) -> int:
    """Show how far it has come, to its end; leaving does not stop it."""
    last = Seen(execution, "RUNNING")
    with on_interrupt(f"It goes on without this command. {_again(target, source)}"), bars() as bar:
        shown = bar("photos")
        for last in backfilling.follow(target, execution):
            shown(last.worked_off + last.failed, last.total)
    sums = backfilling.results(target, execution)
    open_ends = sum(sums.get(name, 0) for name in ("failed", "ended_without_record", "under_way"))
    good = last.status == "SUCCEEDED" and not last.failed and not open_ends
    tell(as_json, {"source": source.address, **asdict(last), "photos": sums}, *_ended(target, source, last, sums))
    return SUCCESS if good else FAILURE


def _ended(target: Target, source: Source, last: Seen, sums: Mapping[str, Any]) -> Iterator[str]:
    for name, words in WORDS.items():
        if sums.get(name):
            yield f"{sums[name]:>9,}  {words.format(typed=typed(), options=target.options)}"
    if last.failed:
        yield f"{last.failed:>9,}  were in batches that failed; do them again: {_command(target, source)}"
    if last.status != "SUCCEEDED":
        yield f"It ended as {last.status} after {counted(last.worked_off, 'photo')}. Go on: {_command(target, source)}"
