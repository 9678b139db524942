"""Show the latest runs, what came of them, and which models wait for approval."""

from cli.display import tell, typed
from cli.options import Application, AsJson
from cli.retraining import connect
from retraining import runs


def command(application: Application, as_json: AsJson = False) -> int:
    """Show the latest runs, and what waits."""
    target = application.target()
    retraining = connect(target)
    latest, waiting = runs.latest(retraining), list(runs.questions(retraining))
    for question in waiting:
        runs.put_back(retraining, question)
    facts = {"runs": latest, "waiting": [question.as_json() for question in waiting]}
    lines = [f"{run['began']}  {run['outcome']:<18} {run.get('reason', '')}" for run in latest]
    for each in waiting:
        lines.append(f"Version {each.version} waits: {each.words}")
        lines.append(f"Next: {typed()} retrain approve --version {each.version}{target.options}, or reject")
    none_yet = "" if latest else f"No run yet. Start one: {typed()} retrain start{target.options}"
    return tell(as_json, facts, none_yet, *lines)
