"""What has a gap is started again, and looked at afterwards; a letter goes only when its photo is settled."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from monitoring import holding, review
from monitoring.errors import LabelRefusedError
from reconciling import letters as queue
from reconciling.gaps import Gap, Missing, batches, gap_of, missing_of, standing
from reconciling.letters import Letter, Photo
from vehiclevision.results import ResultsTable
from vehiclevision.storage import UNVERSIONED

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

# So many runs at a time: a gap of thousands must not drown the uploads of today.
RUNS_AT_ONCE: Final = 20
LOOK_EVERY_SECONDS: Final = 0.5
# A letter must not come back to others while the run that settles it is waited for.
RUN_SECONDS: Final = queue.HIDDEN_SECONDS - 60


@dataclass(frozen=True)
class Parts:
    """The parts of an application that are put right."""

    step_functions: "SFNClient"
    sqs: Any
    results: ResultsTable
    desk: holding.Desk
    state_machine: str
    queue_url: str
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Repaired:
    """What became of a gap: `left` is what it lacks still, `detail` why."""

    gap: Gap
    left: Missing | None
    detail: str = ""


@dataclass(frozen=True)
class WorkedOff:
    """What became of a letter, or, in a dry run, what would; it stays in the queue unless it is deleted."""

    letter: Letter
    missing: Missing | None
    deleted: bool = False
    detail: str = ""


def repair(parts: Parts, gaps: Sequence[Gap]) -> Iterator[Repaired]:
    """Start each photo again, or finish its review, and say what is left of the gap."""
    for some in batches(gaps, RUNS_AT_ONCE):
        started = [(gap, *_begun(parts, gap)) for gap in some]
        for gap, run, detail in started:
            ended = awaited(parts.step_functions, run, RUN_SECONDS, parts.clock) if run else detail
            left = missing_of(standing(parts.results, gap.photo))
            yield Repaired(gap, left, ended if left else "")


def redrive(parts: Parts, *, fix: bool) -> Iterator[WorkedOff]:
    """Say of each letter what its photo lacks; to fix that, start it again and delete the letter once it is settled."""
    for some in batches(list(queue.read(parts.sqs, parts.queue_url)), RUNS_AT_ONCE):
        letters = [_with_version(parts, letter) for letter in some]
        gaps = {letter.message_id: gap for letter in letters if letter.photo and (gap := _gap(parts, letter.photo))}
        # Several letters may be about one photo: it is started once.
        distinct = {(gap.photo.bucket, gap.photo.key, gap.photo.version_id): gap for gap in gaps.values()}
        done = {_name(each.gap.photo): each for each in repair(parts, list(distinct.values()))} if fix else {}
        for letter in letters:
            yield _end(parts, letter, gaps.get(letter.message_id), done, fix=fix)


def request_of(photo: Photo) -> dict[str, Any]:
    """What the workflow is started with for a photo, as by hand: it then does what is missing at once."""
    fields = {
        "s3_bucket": photo.bucket,
        "s3_key": photo.key,
        "version_id": photo.version_id,
        "sequencer": photo.sequencer,
        "id": photo.correlation_id,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _begun(parts: Parts, gap: Gap) -> tuple[str | None, str]:
    """The run that was started, or what became of a review."""
    if gap.missing is Missing.REVIEW and gap.record:
        try:
            review.decide(parts.desk, gap.record, gap.record.reviewed_label or "")
        except LabelRefusedError as error:
            return None, str(error)
        return None, ""
    request = json.dumps(request_of(gap.photo))
    return parts.step_functions.start_execution(stateMachineArn=parts.state_machine, input=request)["executionArn"], ""


def awaited(step_functions: "SFNClient", run: str, seconds: float, clock: Callable[[], float] = time.monotonic) -> str:
    """How a run ended, in a word; it is waited for no longer than so many seconds."""
    deadline = clock() + seconds
    while clock() < deadline:
        ended = step_functions.describe_execution(executionArn=run)
        if ended["status"] != "RUNNING":
            return str(ended.get("error") or ended["status"])
        time.sleep(LOOK_EVERY_SECONDS)
    return "the run goes on"


def _with_version(parts: Parts, letter: Letter) -> Letter:
    """The letter with the version that a start without one means: the newest."""
    photo = letter.photo
    if photo is None or photo.version_id:
        return letter
    try:
        newest = parts.desk.s3.head_object(Bucket=photo.bucket, Key=photo.key).get("VersionId", UNVERSIONED)
    except ClientError:
        return letter  # nothing is there any more, or it may not be read: the run says which
    return replace(letter, photo=replace(photo, version_id=newest))


def _gap(parts: Parts, photo: Photo) -> Gap | None:
    gap = gap_of(parts.results, photo.bucket, photo.version, {})
    return replace(gap, photo=photo) if gap else None


def _end(
    parts: Parts,
    letter: Letter,
    gap: Gap | None,
    done: dict[tuple[str, str, str | None], Repaired],
    *,
    fix: bool,
) -> WorkedOff:
    """Delete the letter if its photo is settled and that was asked for; else let others see it again."""
    repaired = done.get(_name(gap.photo)) if gap else None
    left = repaired.left if repaired else gap.missing if gap else None
    if letter.photo is None:
        detail = f"it names no photo ({letter.error}); when you have seen to it, delete it by hand"
    else:
        detail = (repaired.detail if repaired else letter.error) if left else ""
    if fix and letter.photo and left is None:
        queue.delete(parts.sqs, parts.queue_url, letter)
        return WorkedOff(letter, None, deleted=True)
    queue.put_back(parts.sqs, parts.queue_url, letter)
    return WorkedOff(letter, left, detail=detail)


def _name(photo: Photo) -> tuple[str, str, str | None]:
    return photo.bucket, photo.key, photo.version_id
