"""What a backfill goes through, what that costs, and how far it has come."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from backfilling import batch
from cli.errors import USAGE, CommandError
from cli.sam import Deployer, taken_over
from cli.target import Target
from lifecycle import costs, stacks
from lifecycle.costs import Bill, Line
from local.deploy import BACKFILLING

# More at a time was not thought through.
MOST_PHOTOS: Final = 100_000_000
# So many keys are counted before the price is named, a thousand a call; what lies beyond is "more".
MOST_COUNTED: Final = 1_000_000
# As backfilling/statemachine/backfill.asl.json has it.
BATCH: Final = 50
# What a batch takes: its own start, the function, the question whether all is done, its result.
BATCH_TRANSITIONS: Final = 4
# How long its function waits for fifty photos, most of them side by side.
BATCH_SECONDS: Final = 5.0
LOOK_EVERY_SECONDS: Final = 1.0
# A bucket's name, and what of a prefix a policy can name as it stands.
_SOURCE: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_IN_A_POLICY: Final = re.compile(r"[A-Za-z0-9!_.'()/=+@:, -]*")


@dataclass(frozen=True)
class Source:
    """Photos that lie in a bucket: all whose key begins with the prefix, at most so many."""

    bucket: str
    prefix: str
    limit: int = MOST_PHOTOS

    @classmethod
    def from_text(cls, text: str, limit: int | None) -> "Source":
        """The source that s3://bucket/prefix names."""
        parts = _SOURCE.fullmatch(text)
        if parts is None or len((parts[2] or "").encode("utf-8", "surrogatepass")) > 1024:
            raise CommandError("That names no photos in S3.", "Write s3://BUCKET or s3://BUCKET/PREFIX.", USAGE)
        return cls(parts[1], parts[2] or "", limit or MOST_PHOTOS)

    @property
    def address(self) -> str:
        """As it is typed."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def granted_prefix(self) -> str:
        """What of the prefix stands in the roles' policies: all until the first character that means more there."""
        known = _IN_A_POLICY.match(self.prefix)
        return known[0] if known else ""


@dataclass(frozen=True)
class Counted:
    """How many objects lie there, and how many bytes; `whole` is false where counting ended before they did."""

    photos: int
    bytes: int
    whole: bool


@dataclass(frozen=True)
class Seen:
    """How a backfill stands: photos by what became of their batch, as Step Functions counts them."""

    execution: str
    status: str
    total: int = 0
    worked_off: int = 0
    failed: int = 0
    aborted: int = 0


def count(target: Target, source: Source, advanced: Callable[[int], None]) -> Counted:
    """Count what lies there, a thousand keys a call, up to the limit or a million."""
    most = min(source.limit, MOST_COUNTED)
    photos, size = 0, 0
    pages = target.client("s3").get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=source.prefix)
    for page in pages:
        contents = page.get("Contents", [])[: most - photos]
        photos += len(contents)
        size += sum(each["Size"] for each in contents)
        advanced(photos)
        if photos >= most:
            return Counted(photos, size, photos >= source.limit or not page.get("IsTruncated"))
    return Counted(photos, size, whole=True)


def bill(photos: int) -> tuple[Line, ...]:
    """What going through so many photos costs beside what each of them costs on its way: all but the classifying."""
    made = Bill(photos)
    memory = made.memory_gigabytes("BackfillPhotosFunction")
    batches = photos / BATCH
    return (
        made.line("S3", "a list request a thousand photos", photos / 1000, "s3_put"),
        made.line("S3", "a request to learn each photo's version", photos, "s3_get"),
        made.line("DynamoDB", "two looks at each record, each half a unit", photos, "dynamodb_read"),
        made.line("Step Functions", f"{BATCH_TRANSITIONS} transitions a batch", BATCH_TRANSITIONS * batches,
                  "step_functions_transition"),
        made.line("Lambda", "a call a batch", batches, "lambda_request"),
        made.line("Lambda", f"{BATCH_SECONDS:g} s of {memory:g} GB a batch", BATCH_SECONDS * memory * batches,
                  "lambda_gb_second"),
    )  # fmt: skip


def dollars(photos: int) -> float:
    """What a backfill of so many photos costs at most: all of them new, and all of them sure."""
    way = next(each for each in costs.profiles(MOST_COUNTED) if each.profile == "standard-instance")
    # Of a million, so that what is due once a month, such as our own metrics, is not put on a dozen photos.
    each = (way.dollars_total - way.dollars_idle) / MOST_COUNTED
    return each * photos + sum(line.dollars or 0 for line in bill(photos))


def deploy(deployer: Deployer, source: Source) -> str:
    """The state machine of backfilling, deployed for this source and the application as it is now."""
    target = deployer.target
    parameters = {
        **taken_over(target),
        "Application": target.stack,
        "UploadBucketName": target.output("BucketName"),
        "ResultsTableName": target.output("ResultsTableName"),
        "StateMachineArn": target.output("StateMachineArn"),
        "SerializeImageRoleName": target.output("SerializeImageRoleName"),
        "SourceBucketName": source.bucket,
        "SourcePrefix": source.granted_prefix,
    }
    return deployer.deploy(BACKFILLING, target.beside("backfilling"), parameters)["BackfillStateMachineArn"]


def under_way(target: Target) -> tuple[str, Source] | None:
    """The backfill that runs, and what it goes through; None if none does."""
    machine = stacks.outputs(stacks.described(target.client, target.beside("backfilling"))).get(
        "BackfillStateMachineArn"
    )
    if machine is None:
        return None
    states = target.client("stepfunctions")
    running = states.list_executions(stateMachineArn=machine, statusFilter="RUNNING", maxResults=1)["executions"]
    if not running:
        return None
    execution = running[0]["executionArn"]
    given = json.loads(states.describe_execution(executionArn=execution)["input"])
    return execution, Source(given["bucket"], given["prefix"], given["limit"])


def start(target: Target, machine: str, source: Source, at_a_time: int) -> str:
    """Start going through the source, with at most so many photos at a time; the execution."""
    request = asdict(source) | {"batches_at_a_time": max(1, at_a_time // BATCH)}
    execution = target.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(request))
    return str(execution["executionArn"])


def follow(target: Target, execution: str) -> Iterator[Seen]:
    """How it stands, once a second, until it has ended."""
    states = target.client("stepfunctions")
    while True:
        described = states.describe_execution(executionArn=execution)
        runs = states.list_map_runs(executionArn=execution)["mapRuns"]
        counts: dict[str, int] = {}
        if runs:
            newest = max(runs, key=lambda run: run["startDate"])
            counts = states.describe_map_run(mapRunArn=newest["mapRunArn"])["itemCounts"]
        failed = counts.get("failed", 0) + counts.get("timedOut", 0)
        yield Seen(
            execution, described["status"], counts.get("total", 0), counts.get("succeeded", 0), failed,
            counts.get("aborted", 0),
        )  # fmt: skip
        if described["status"] != "RUNNING":
            return
        time.sleep(LOOK_EVERY_SECONDS)


def results(target: Target, execution: str) -> dict[str, int]:
    """What became of the photos, state by state, as the batches wrote it down; nothing of one that was cut short."""
    described = target.client("stepfunctions").describe_execution(executionArn=execution)
    if described["status"] != "SUCCEEDED":
        return {}
    written, s3 = json.loads(described["output"])["ResultWriterDetails"], target.client("s3")
    manifest = json.load(s3.get_object(Bucket=written["Bucket"], Key=written["Key"])["Body"])
    files = manifest["ResultFiles"]["SUCCEEDED"]
    bodies = (s3.get_object(Bucket=written["Bucket"], Key=file["Key"])["Body"] for file in files)
    return batch.totals(json.loads(line) for body in bodies for line in body.iter_lines())
