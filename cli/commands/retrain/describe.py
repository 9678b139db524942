"""Show the latest runs, what came of them, and which models wait for approval."""

from cli.display import output, print_json, printable, typed
from cli.errors import SUCCESS
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
    if as_json:
        print_json({"runs": latest, "waiting": [question.as_json() for question in waiting]})
        return SUCCESS
    console = output()
    if not latest:
        console.print(f"No run yet. Start one: {typed()} retrain start{target.options}")
    for run in latest:
        console.print(f"{run['began']}  {run['outcome']:<18} {printable(str(run.get('reason', '')))}")
    for question in waiting:
        console.print(f"Version {question.version} waits: {printable(question.words)}")
        console.print(f"Next: {typed()} retrain approve --version {question.version}{target.options}, or reject")
    return SUCCESS
