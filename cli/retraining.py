"""What the `retrain` commands share: how they reach retraining, and what they say of an answer."""

from cli.display import tell, typed
from cli.errors import CommandError
from cli.target import Target
from console.served import aws_of
from lifecycle import registry, stacks
from retraining import runs
from retraining.runs import Question, Retraining


def connect(target: Target) -> Retraining:
    """Retraining of an application; CommandError where it is not deployed."""
    outputs = stacks.outputs(stacks.described(target.client, target.beside("retraining")))
    try:
        machine, queue = outputs["RetrainModelStateMachineArn"], outputs["ApprovalQueueUrl"]
    except KeyError as missing:
        raise CommandError(
            f"Retraining of {target.stack} is not deployed, or by a release that had it in monitoring's stack.",
            f"Deploy it: {typed()} monitor deploy{target.options}",
        ) from missing
    if target.is_local:
        return Retraining(target.client, machine, queue, patience_seconds=0, poll_seconds=0.2)
    return Retraining(target.client, machine, queue)


def asked(target: Target, name: str | None) -> tuple[Retraining, Question]:
    """The model that waits for approval, by its name or its version's number; without either, the newest."""
    retraining = connect(target)
    number = registry.chosen(registry.versions(aws_of(target)), name).number if name else None
    return retraining, runs.choose(retraining, number)


def answered(question: Question, answer: str, *, as_json: bool) -> int:
    """Say what was answered."""
    facts = {"version": question.version, "execution": question.execution, "answer": answer}
    return tell(as_json, facts, f"Version {question.version} is {answer}. See how it goes: {typed()} retrain describe")
