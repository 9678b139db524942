"""Erase a photo: every version, its records, and each picture that was made from it.

It lists what there is and asks. Then it removes dead letters, captured requests, pictures of training sets and of
reviews, on the local AWS the histories of runs, and last the versions and their records; it says what it removed, and
looks again. A run that is on its way is waited for, a quarter of an hour at most. Broken off, it goes on when it is run
again. The exit code is 0 if nothing is left, else 1.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from cli.display import notes, output, printable
from cli.errors import FAILURE, SUCCESS
from cli.options import Application, AsJson, YesToQuestions, argument, flag
from cli.sagemaker import Dialogue, site_of
from cli.target import Target, state_directory
from erasing.captures import Folder
from erasing.traces import Application as Parts
from erasing.traces import Kind, Known, Trace, erase, find, meant
from lifecycle import stacks
from lifecycle.site import CAPTURES, Site
from local.histories import Histories
from monitoring import watched
from retraining.staging import DATASETS
from vehiclevision.results import bucket_and_key

ELSEWHERE = "A photo of another bucket, which a backfill went through, is named with it: s3://BUCKET/KEY."


def command(
    *,
    application: Application,
    key: Annotated[
        str, argument("KEY", "The whole key; uploads/ may be left out. A photo of another bucket: s3://BUCKET/KEY.")
    ],
    dry_run: Annotated[bool, flag("--dry-run", "List what would be erased, and erase nothing.")] = False,
    yes: YesToQuestions = False,
    as_json: AsJson = False,
) -> int:
    """Take away all that is there of a photo, then look again."""
    target, dialogue = application.target(), Dialogue(yes, as_json)
    stack = stacks.parameters(stacks.described(target.client, target.stack))
    parts = parts_of(target, site_of(target), stack)
    known = meant(parts, key)
    remains = what_remains(stack["LogRetentionDays"], in_aws=not target.is_local)
    if known.bucket != parts.bucket:
        remains.insert(0, f"The photo itself lies in the bucket {known.bucket}, and stays: delete it there.")
    traces = _look(target, parts, known)
    if not as_json:
        for trace in traces:
            output().print(printable(_line(trace)))
    listed = [trace.as_json() for trace in traces]
    if dry_run or not traces:
        words = "Nothing was erased." if traces else f"There is nothing of {printable(known.key)}. {ELSEWHERE}"
        return dialogue.tell({"key": known.key, "found": listed, "erased": [], "left": listed}, words)
    dialogue.ask(f"Erase these {len(traces)} of {printable(known.key)}? Nothing of it can be brought back.")
    erased, left = _erase(target, parts, known, traces)
    facts = {"found": listed, "erased": [each.as_json() for each in erased], "left": [each.as_json() for each in left]}
    words = f"{len(erased)} erased. Looked again: {f'{len(left)} left.' if left else 'nothing of it is left.'}"
    again = "Run the same command again." if left else ""
    dialogue.tell({"key": known.key, **facts, "remains": remains}, words, *map(_line, left), again)
    for sentence in () if as_json else remains:
        notes().print(sentence)
    return FAILURE if left else SUCCESS


def parts_of(target: Target, site: Site, stack: Mapping[str, str]) -> Parts:
    """Where an application may hold something of a photo."""
    folders = {Folder(site.bucket, f"{CAPTURES}/")}
    settings = watched.capture_settings(target.client, stack["EndpointName"], stack) or {}
    if address := settings.get("DestinationS3Uri"):
        bucket, prefix = bucket_and_key(str(address))
        folders.add(Folder(bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""))
    return Parts(
        s3=target.client("s3"),
        sqs=target.client("sqs"),
        step_functions=target.client("stepfunctions"),
        dynamodb=target.client("dynamodb"),
        table=target.output("ResultsTableName"),
        bucket=target.output("BucketName"),
        queue_url=target.output("DeadLetterQueueUrl"),
        state_machine=target.output("StateMachineArn"),
        captured=tuple(folders),
        training=Folder(site.bucket, DATASETS),
        histories=Histories(state_directory()) if target.is_local else None,
    )


def what_remains(log_days: str, *, in_aws: bool) -> list[str]:
    """What no command can take away, and how long it stays."""
    sentences = [
        "Not erased: what a model learnt from the picture, reports in files, and what consumers were told.",
        "A page that runs keeps its thumbnails in memory until it is stopped, and a browser for five minutes.",
        f"Logs name the key for {log_days} days; they hold no picture.",
    ]
    if in_aws:
        sentences += [
            "Step Functions keeps the histories of runs, with the picture in them, for 90 days after they have ended.",
            "The table's backup, from which a person can restore it, holds the record for 35 days more.",
        ]
    return sentences


def _look(target: Target, parts: Parts, known: Known) -> list[Trace]:
    target.write_captures()
    return find(parts, known)


def _erase(target: Target, parts: Parts, known: Known, traces: Sequence[Trace]) -> tuple[list[Trace], list[Trace]]:
    """What was erased and what is left; what a run left that was waited for goes in a second round."""
    runs = [trace for trace in traces if trace.kind is Kind.RUN]
    for run in runs:
        notes().print(f"Waiting for the run {printable(run.name)}")
    erased = list(erase(traces))
    left = _look(target, parts, known)
    if runs and left:
        erased += erase(left)
        left = _look(target, parts, known)
    return [trace for trace in erased if trace.kind is not Kind.RUN], left


def _line(trace: Trace) -> str:
    return f"  {trace.kind}: {trace.name}"
