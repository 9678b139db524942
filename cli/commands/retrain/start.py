"""Start a run and follow it.

It looks first whether to go on: labels, hold-out, cool-down, budget. The exit code is 0 if the run did what it should,
also when it was held back or the new model was refused; --json says which.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cli.display import notes, on_interrupt, tell, typed
from cli.errors import FAILURE, SUCCESS
from cli.options import Application, AsJson, NoWait
from cli.retraining import connect
from retraining import runs

# States that a person wants to hear of; the rest passes in a moment.
TOLD: Final = {
    "Stage data": "Looking at labels, cool-down and budget",
    "Train challenger": "Training the new model, then comparing it with the present one",
    "Register challenger": "Reading the comparison",
    "Update endpoint": "Moving the endpoint to the new model, watched by its alarms",
    "Watch": "The new model answers; watching it",
    "Put former back": "An alarm went off: putting the former model back",
}


def command(application: Application, no_wait: NoWait = False, as_json: AsJson = False) -> int:
    """Start a run, and follow it to its end or to its question."""
    target = application.target()
    retraining = connect(target)
    execution = runs.start(retraining)

    def entered(state: str) -> None:
        if state in TOLD and not as_json:
            notes().print(TOLD[state])

    came: Mapping[str, Any] = {"execution": execution, "outcome": None}
    if not no_wait:
        with on_interrupt(f"The run goes on without this command. See how it ends: {typed()} retrain describe"):
            came = runs.follow(retraining, execution, entered)
    tell(as_json, came, *outcome(came, target.options))
    return FAILURE if came["outcome"] == runs.FAILED else SUCCESS


def outcome(came: Mapping[str, Any], options: str) -> Iterator[str]:
    """What came of a run, and what can be done next."""
    if came["outcome"] is None:
        yield f"The run has begun. See how it goes: {typed()} retrain describe{options}"
        return
    yield f"{came['outcome']}: {came.get('reason', '')}"
    if came["outcome"] == runs.WAITING:
        yield f"Next: {typed()} retrain approve{options}, or retrain reject"
    if came["outcome"] == "REPLACED" and came["cheapest_threshold"] != came["threshold"]:
        yield (
            f"It was compared, and answers, at the threshold {came['threshold']}. On the base data "
            f"{came['cheapest_threshold']} would cost least: {typed()} deploy{options} --parameter "
            f"ConfidenceThreshold={came['cheapest_threshold']}"
        )
