"""What `reconcile` and `redrive` share: the parts of an application, and the words."""

from typing import Final

from cli.display import named, printable
from cli.target import Target
from console.deployed import desk_of
from reconciling.gaps import Missing
from reconciling.letters import Photo
from reconciling.repair import Parts

_WORDS: Final = {
    Missing.RECORD: "it has no record",
    Missing.OUTCOME: "it failed",
    Missing.REVIEW: "a person's decision stopped half-way",
    Missing.ANNOUNCEMENT: "nobody was told",
}


def parts_of(target: Target) -> Parts:
    """The parts of an application that are put right."""
    return Parts(
        step_functions=target.client("stepfunctions"),
        sqs=target.client("sqs"),
        results=target.results,
        desk=desk_of(target),
        state_machine=target.output("StateMachineArn"),
        queue_url=target.output("DeadLetterQueueUrl"),
    )


def photo_line(missing: Missing | None, photo: Photo, own_bucket: str, detail: str = "") -> str:
    """One photo on one line: what it lacks, which version, and why."""
    state = f"{missing or 'SETTLED':<17}  {named(photo.bucket, photo.key, own_bucket)}  {photo.version_id or 'newest'}"
    reasons = [words for words in (_WORDS[missing] if missing else "", printable(detail)) if words]
    return f"{state}: {'; '.join(reasons)}" if reasons else state


def counted(number: int, one: str) -> str:
    """A number and what it counts."""
    return f"{number} {one}{'' if number == 1 else 's'}"
