"""Where the application is: what runs, and its page in the AWS console."""

import webbrowser
from typing import Any, Final
from urllib.parse import quote

from cli import target as targets
from cli.display import output, print_json
from cli.target import Target
from local import stack as local_stack

SUCCESS: Final = 0
NOT_UP: Final = 1
# AWS has a console for each partition.
_CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_SHOWN: Final = {
    "BucketName": "upload bucket",
    "StateMachineArn": "workflow",
    "ResultsTableName": "results table",
    "EventBusName": "event bus",
}


def status(stack: str | None, region: str | None, profile: str | None, *, as_json: bool) -> int:
    """Say what runs."""
    facts = _local_facts() if stack is None else _stack_facts(targets.find(stack, region, profile))
    if stack is None and (region or profile):
        targets.find(stack, region, profile)
    if as_json:
        print_json(facts)
    else:
        _print_facts(facts)
    return SUCCESS if facts["up"] else NOT_UP


def open_console(target: Target) -> int:
    """Open the workflow's page in the AWS console; the local AWS has none, so say where things are."""
    console = output()
    if target.is_local:
        console.print("The local AWS has no web console. Things are here:")
        console.print(f"  {'engine':<14} {target.endpoint_url}")
        _print_outputs(target.outputs)
        console.print("See what became of images with: vehiclevision results")
        return SUCCESS
    url = console_url(target.output("StateMachineArn"))
    console.print(url)
    webbrowser.open(url)
    return SUCCESS


def console_url(state_machine_arn: str) -> str:
    """The page of a state machine in the AWS console."""
    _, partition, _, region, *_ = state_machine_arn.split(":")
    host = _CONSOLES.get(partition, _CONSOLES["aws"])
    return (
        f"https://{region}.{host}/states/home?region={region}#/statemachines/view/{quote(state_machine_arn, safe='')}"
    )


def _local_facts() -> dict[str, Any]:
    found = local_stack.status(targets.state_directory())
    running = local_stack.running(found.state_dir) if found.up else None
    return {
        "where": "local",
        "up": found.up,
        "engine_url": found.engine_url,
        "engine_pid": found.engine_pid,
        "sagemaker_url": found.sagemaker_url,
        "sagemaker_pid": found.sagemaker_pid,
        "sagemaker_control_url": found.control_url,
        "sagemaker_control_pid": found.control_pid,
        "deployed": found.deployed,
        "state_directory": str(found.state_dir),
        "outputs": running.outputs() if running else {},
    }


def _stack_facts(target: Target) -> dict[str, Any]:
    return {"where": target.stack, "region": target.region, "up": True, "outputs": dict(target.outputs)}


def _print_facts(facts: dict[str, Any]) -> None:
    console = output()
    if facts["where"] != "local":
        console.print(f"The stack {facts['where']} in {facts['region']} is deployed.")
    else:
        console.print(
            "The local AWS is up." if facts["up"] else "The local AWS is not up. Start it with: vehiclevision up"
        )
        for name, part in (("engine", "engine"), ("endpoints", "sagemaker"), ("SageMaker", "sagemaker_control")):
            url, pid = facts[f"{part}_url"], facts[f"{part}_pid"]
            console.print(f"  {name:<14} " + (f"{url} (process {pid})" if pid else "not running"))
        console.print(f"  {'application':<14} " + ("deployed" if facts["deployed"] else "not deployed"))
        console.print(f"  {'state':<14} {facts['state_directory']}")
    _print_outputs(facts["outputs"])


def _print_outputs(outputs: Any) -> None:
    for name, words in _SHOWN.items():
        if name in outputs:
            output().print(f"  {words:<14} {outputs[name]}")
