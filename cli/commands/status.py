"""Show what runs, and where.

The exit code is 0 if images can be dropped, else 1.
"""

from itertools import islice
from typing import Any, Final

from cli.answering import endpoint_of
from cli.display import notes, output, print_json, print_outputs, printable, typed
from cli.errors import FAILURE, SUCCESS
from cli.options import Application, AsJson
from cli.target import Target, local_target, state_directory
from local import stack
from monitoring.alarms import ringing
from vehiclevision.record import Outcome
from vehiclevision.results import ResultsTable

NOTHING_DEPLOYED: Final[dict[str, Any]] = {"endpoint": None, "ringing": None, "second_opinion": None, "outputs": {}}
# So many of the newest records of each outcome are looked through for second opinions.
MOST_RECORDS: Final = 1_000


def command(application: Application, as_json: AsJson = False) -> int:
    """Show what runs; 0 if images can be dropped, else 1."""
    if application.is_named:
        target = application.target()
        facts = {"where": target.stack, "region": target.region, "up": True, **_facts_of_application(target)}
    else:
        facts = _facts_of_local_aws()
    if as_json:
        print_json(facts)
    else:
        _print_facts(facts)
    return SUCCESS if facts["up"] else FAILURE


def _facts_of_local_aws() -> dict[str, Any]:
    status = stack.status(state_directory())
    running = stack.running(status.state_dir) if status.up else None
    return {
        "where": "local",
        "up": status.up,
        **{f"{name}_{what}": value for name, part in status.parts.items() for what, value in vars(part).items()},
        "deployed": status.deployed,
        "state_directory": str(status.state_dir),
        **(_facts_of_application(local_target(running)) if running else NOTHING_DEPLOYED),
    }


def _facts_of_application(target: Target) -> dict[str, Any]:
    asked = endpoint_of(target)
    endpoint = asked and {"name": asked.name, "status": asked.status, "trouble": asked.trouble}
    by = target.outputs.get("SecondOpinion", "none")
    return {
        "endpoint": endpoint,
        "ringing": ringing(target.client, target.stack),
        "second_opinion": None if by == "none" else {"by": by, **seconded(target.results)},
        "outputs": dict(target.outputs),
    }


def seconded(results: ResultsTable) -> dict[str, int]:
    """Of the newest records, how many a second opinion let pass, how many of those people saw, and agreed with."""
    # What a person called neither is REJECTED since.
    newest = (
        each
        for outcome in (Outcome.CLASSIFIED, Outcome.REJECTED)
        for each in islice(results.of_outcome(outcome), MOST_RECORDS)
    )
    passed = [record for record in newest if record.seconded_by and record.second_opinion]
    seen = [record for record in passed if record.decided_by]
    agreed = sum(record.reviewed_label == (record.second_opinion or {}).get("label") for record in seen)
    return {"passed": len(passed), "seen_by_people": len(seen), "people_agreed": agreed}


def _print_facts(facts: dict[str, Any]) -> None:
    console = output()
    if facts["where"] != "local":
        console.print(f"The stack {facts['where']} in {facts['region']} is deployed.")
    else:
        console.print(
            "The local AWS is up." if facts["up"] else f"The local AWS is not up. Start it with: {typed()} up"
        )
        for name, part in (("engine", "engine"), ("endpoints", "sagemaker"), ("SageMaker", "sagemaker_control")):
            url, pid = facts[f"{part}_url"], facts[f"{part}_pid"]
            console.print(f"  {name:<14} " + (f"{url} (process {pid})" if pid else "not running"))
        console.print(f"  {'application':<14} " + ("deployed" if facts["deployed"] else "not deployed"))
        console.print(f"  {'state':<14} {facts['state_directory']}")
    print_outputs(facts["outputs"])
    if endpoint := facts["endpoint"]:
        console.print(f"  {'endpoint':<14} {printable(endpoint['name'])} ({endpoint['status'] or 'missing'})")
        if endpoint["trouble"]:
            notes().print(printable(endpoint["trouble"]))
    if told := facts["second_opinion"]:
        console.print(
            f"  {'second opinion':<14} {printable(told['by'])}: {told['passed']} of the newest photos passed by it; "
            f"people saw {told['seen_by_people']} of them and agreed on {told['people_agreed']}"
        )
    if facts["ringing"] is not None:
        console.print(f"  {'alarms':<14} {len(facts['ringing']) or 'none'} ringing")
        for name, description in facts["ringing"].items():
            notes().print(printable(f"{name} rings: {description}"))
