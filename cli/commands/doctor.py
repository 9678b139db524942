"""Look whether this machine, and with --aws the account, have what is needed.

Each finding is a sentence and a remedy. The exit code is 1 if something stands in the way.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli import target as targets
from cli.answering import endpoint_of
from cli.display import as_typed, notes, output, print_json, printable, typed
from cli.errors import FAILURE, SUCCESS
from cli.explanations import of_aws
from cli.options import Account, AsJson
from cli.quotas import BLOCKED, OK, WARNING, Finding, account_quotas
from local import stack as local_stack
from local.place import CHECKOUT
from local.processes import HOST
from monitoring.alarms import ringing

_STYLES: Final = {OK: "green", WARNING: "yellow", BLOCKED: "bold red"}
LOWEST, HIGHEST = (3, 11), (3, 14)
# The local AWS with its environments, and room for photos.
NEEDED_GB: Final = 3
LAMBDA_RUNTIME: Final = re.compile(r"PythonRuntime:\s*\n\s*Type: String\s*\n\s*Default: python(\d+\.\d+)")
# Nothing here needs them; who has read of them should know before looking for them.
CLOSED: Final = "SageMaker Model Monitor, Clarify, Debugger and A2I"


def command(account: Account, as_json: AsJson = False) -> int:
    """Look at everything and tell; 1 if something stands in the way."""
    findings = []
    for finding in (*here(), *(in_aws(account) if account.is_in_aws else ())):
        findings.append(finding)
        if as_json:
            print_json(finding.as_json())
        else:
            _print(finding)
    blocked = sum(finding.state == BLOCKED for finding in findings)
    if not as_json:
        words = "Nothing stands in the way." if not blocked else f"{blocked} of {len(findings)} stand in the way."
        output().print(words)
        if not account.is_in_aws:
            notes().print("What an account in AWS has is looked at with: vehiclevision doctor --aws")
    return FAILURE if blocked else SUCCESS


# ---- this machine ----------------------------------------------------------------------------------------------------


def here() -> Iterator[Finding]:
    """What this machine has."""
    yield own_python(sys.version_info[:2])
    yield lambda_python((CHECKOUT / "template.yaml").read_text("utf-8"), shutil.which)
    yield sam_cli(shutil.which, CHECKOUT)
    yield docker(shutil.which)
    state = targets.state_directory()
    yield disk(shutil.disk_usage(next(path for path in (state, *state.parents) if path.exists())).free)
    yield loopback()
    yield local_aws(targets.state_directory())
    yield training_tools(CHECKOUT)
    yield proxies(os.environ)


def own_python(version: tuple[int, int]) -> Finding:
    """The Python that runs this."""
    words = ".".join(map(str, version))
    if LOWEST <= version <= HIGHEST:
        return Finding("Python", OK, f"Python {words} runs this.")
    return Finding(
        "Python", BLOCKED, f"Python {words} is not supported.", "Install Python 3.11 to 3.14, then: make setup"
    )


def lambda_python(template: str, which: Callable[[str], str | None]) -> Finding:
    """The Python that `sam build` needs for the functions."""
    default = LAMBDA_RUNTIME.search(template)
    version = default.group(1) if default else "3.13"
    command = which(f"python{version}")
    code = "import pip, sys; sys.exit(sys.version_info[:2] != ({}, {}))".format(*version.split("."))
    if command and _runs(command, code):
        return Finding(
            "Python for sam build", OK, f"python{version} is on the path and runs, as sam build for AWS wants."
        )
    why = "has no pip or does not run" if command else "is not on the path"
    return Finding(
        "Python for sam build",
        WARNING,
        f"sam build for AWS wants python{version}, which {why}; the local AWS does without.",
        f"Install it, or deploy with `{typed()} deploy --aws`, which builds for a Python that is here.",
    )


def sam_cli(which: Callable[[str], str | None], checkout: Path) -> Finding:
    """The SAM CLI."""
    if (checkout / ".venv-sam" / "bin" / "sam").exists() or which("sam"):
        return Finding("SAM CLI", OK, "The SAM CLI is installed.")
    return Finding("SAM CLI", BLOCKED, "The SAM CLI is not installed.", "Install it with: make setup")


def docker(which: Callable[[str], str | None]) -> Finding:
    """Docker, which nothing needs."""
    command = which("docker")
    if command is None:
        return Finding("Docker", OK, "Docker is not installed; nothing needs it, `sam local invoke` excepted.")
    answer = subprocess.run(  # noqa: S603 - the person's own docker
        [command, "info", "--format", "{{.ServerVersion}}"], capture_output=True, check=False, timeout=20
    )
    if answer.returncode == 0:
        return Finding("Docker", OK, "Docker runs; nothing but `sam local invoke` needs it.")
    return Finding(
        "Docker", OK, "Docker is installed and does not answer; nothing needs it.", "Start it for `sam local invoke`."
    )


def _runs(command: str, code: str) -> bool:
    """Whether this Python runs, and the code ends well: a shim may stand on the path with nothing behind it."""
    try:
        done = subprocess.run([command, "-c", code], capture_output=True, check=False, timeout=20)  # noqa: S603 - what was found
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def disk(free_bytes: int) -> Finding:
    """Room for the local AWS."""
    free = free_bytes / 1e9
    if free >= NEEDED_GB:
        return Finding("disk", OK, f"{free:.0f} GB are free.")
    return Finding("disk", BLOCKED, f"Only {free:.1f} GB are free.", f"Make room: {NEEDED_GB} GB are needed.")


def loopback() -> Finding:
    """A port for the local AWS, which takes any that is free."""
    try:
        with socket.create_server((HOST, 0)) as probe, socket.create_connection(probe.getsockname(), timeout=5):
            pass
    except OSError as error:
        return Finding(
            "ports",
            BLOCKED,
            f"No program can listen on 127.0.0.1 and be reached ({error.strerror or 'time-out'}).",
            "Look at the firewall and at sandbox settings.",
        )
    return Finding("ports", OK, "Ports on 127.0.0.1 are free; the local AWS takes whichever there is.")


def local_aws(directory: Path) -> Finding:
    """The local AWS's state."""
    status = local_stack.status(directory)
    if status.up and (running := local_stack.running(directory)):
        target = targets.local_target(running)
        endpoint = endpoint_of(target)
        if endpoint and endpoint.trouble:
            sentence, _, remedy = endpoint.trouble.partition(". ")
            return Finding("local AWS", WARNING, f"{sentence}.", remedy)
        if alarms := ringing(target.client, target.stack):
            return Finding("local AWS", WARNING, f"Alarms ring: {', '.join(alarms)}.", "Look: vehiclevision status")
        return Finding("local AWS", OK, "The local AWS is up with the application in it, and its endpoint answers.")
    if not status.runs:
        return Finding("local AWS", OK, "The local AWS is not running.", "Start it with: vehiclevision up --detach")
    return Finding(
        "local AWS", WARNING, "Only a part of the local AWS runs.", "Run: vehiclevision down, then vehiclevision up"
    )


def training_tools(checkout: Path) -> Finding:
    """PyTorch for training here."""
    python = checkout / ".venv-training" / "bin" / "python"
    if python.exists() and not _runs(
        str(python), "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    ):
        return Finding("training", WARNING, f"{python} is there, but has no PyTorch.", "Run again: make setup-training")
    if python.exists():
        return Finding("training", OK, "PyTorch is installed for training on this machine.")
    return Finding(
        "training",
        OK,
        "PyTorch is not installed; only training on this machine needs it.",
        "Install it with: make setup-training (some GB)",
    )


def proxies(environment: Any) -> Finding:
    """Endpoints set from outside, which would send what is meant for AWS elsewhere."""
    named = sorted(name for name in environment if name.startswith("AWS_ENDPOINT_URL"))
    if named:
        return Finding(
            "environment",
            WARNING,
            f"{', '.join(named)} is set: commands for AWS go there instead.",
            f"Take it away with: unset {' '.join(named)}",
        )
    return Finding("environment", OK, "No AWS_ENDPOINT_URL leads commands for AWS elsewhere.")


# ---- the account in AWS ----------------------------------------------------------------------------------------------


def in_aws(account: Account) -> Iterator[Finding]:
    """What the account has; the first thing missing ends the look."""
    try:
        target = account.target()
        identity = target.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        words = of_aws(error)
        yield Finding("credentials", BLOCKED, words.message, words.hint)
        return
    yield signed_in(identity)
    yield Finding("region", OK, f"The region is {target.region}.")
    yield sagemaker_answers(target.client("sagemaker"), target.region)
    yield from account_quotas(target.client("service-quotas"))
    yield Finding(
        "closed services",
        OK,
        f"{CLOSED} are closed to new customers; nothing here needs them.",
        "Drift is watched from captured requests instead.",
    )


def signed_in(identity: Any) -> Finding:
    """Who is signed in, without the whole account number."""
    arn, number = str(identity["Arn"]), str(identity["Account"])
    shown = f"account …{number[-4:]}"
    if arn.endswith(":root"):
        return Finding(
            "credentials",
            WARNING,
            f"The root user of {shown} is signed in, who may do everything.",
            "Work as a user or role of IAM Identity Center.",
        )
    kind = arn.rsplit(":", maxsplit=1)[-1].partition("/")[0]
    return Finding("credentials", OK, f"A {kind} of {shown} is signed in.")


def sagemaker_answers(sagemaker: Any, region: str) -> Finding:
    """Whether SageMaker answers here, to these credentials."""
    try:
        sagemaker.list_endpoints(MaxResults=1)
    except (BotoCoreError, ClientError) as error:
        words = of_aws(error)
        return Finding("SageMaker", BLOCKED, words.message, words.hint)
    return Finding("SageMaker", OK, f"SageMaker answers in {region}.")


# ---- what is printed -------------------------------------------------------------------------------------------------


def _print(finding: Finding) -> None:
    console = output()
    console.print(f"{finding.state:<8}", style=_STYLES[finding.state], end="")
    console.print(printable(finding.sentence))
    if finding.remedy and finding.state != OK:
        console.print(f"{'':<8}{printable(as_typed(finding.remedy))}")
