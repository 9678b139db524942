"""Open the workflow in the AWS console.

The local AWS has no web console: there it prints where bucket, table and the others are.
"""

import webbrowser
from typing import Final
from urllib.parse import quote

from cli.display import output, print_outputs, typed
from cli.errors import SUCCESS
from cli.options import Application

# AWS has a console for each partition.
_CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def command(application: Application) -> int:
    """Open the workflow's page, or say where things are."""
    target, console = application.target(), output()
    if target.is_local:
        console.print("The local AWS has no web console. Things are here:")
        console.print(f"  {'engine':<14} {target.endpoint_url}")
        print_outputs(target.outputs)
        console.print(f"See what became of images with: {typed()} results")
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
