"""SAM applications beside the first: deployed into the local AWS, or in AWS as one would by hand."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cli.display import notes, printable, telling, typed
from cli.errors import USAGE, CommandError
from cli.target import Target, state_directory
from lifecycle import stacks
from lifecycle.templates import parsed
from local import deploy as local_deploy
from local import stack
from local.deploy import Application

_OWN_PYTHON = f"{os.pathsep}{Path(sys.executable).parent}"


@dataclass(frozen=True)
class Deployer:
    """How SAM is called; only when `quiet` does its own talk go to standard error, as a person may have to answer."""

    target: Target
    profile: str | None = None
    yes: bool = False
    quiet: bool = False

    def deploy(self, application: Application, name: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Build and deploy an application as the stack of that name; its outputs. Quick when nothing changed here."""
        if self.target.is_local:
            with telling(notes()) as tell:
                return local_deploy.deploy(application, state_directory(), local_environment(), tell, parameters)
        build = [f"PythonRuntime={parameters['PythonRuntime']}", f"Architecture={parameters['Architecture']}"]
        options = ["--stack-name", name, "--region", self.target.region]
        if self.profile:
            options += ["--profile", self.profile]
        if self.yes:
            options.append("--no-confirm-changeset")
        self._sam(application, "build", "--parameter-overrides", *build)
        self._sam(application, "deploy", *options, "--parameter-overrides", *local_deploy.overrides(parameters))
        return stacks.outputs(stacks.described(self.target.client, name))

    def _sam(self, application: Application, *arguments: str) -> None:
        notes().print(f"In {application.folder}: {printable(' '.join(['sam', *arguments]))}")
        done = subprocess.run(  # noqa: S603 - our own words and the application's outputs
            [str(local_deploy.sam_executable()), *arguments],
            cwd=application.folder,
            # The Python that runs this is one that can be built for, whether it is on the path or not.
            env={**os.environ, "SAM_CLI_TELEMETRY": "0", "PATH": f"{os.environ.get('PATH', os.defpath)}{_OWN_PYTHON}"},
            stdout=sys.stderr if self.quiet else None,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(f"`sam {arguments[0]}` failed.", "What it said stands above.")


def taken_over(target: Target) -> dict[str, str]:
    """The parameters that every application beside the first takes over from it."""
    stack = stacks.parameters(stacks.described(target.client, target.stack))
    names = ("LogRetentionDays",) if target.is_local else ("LogRetentionDays", "PythonRuntime", "Architecture")
    return {name: stack[name] for name in names}


def remove(target: Target, applications: Mapping[str, Application], *, more: str = "", yes: bool) -> dict[str, bool]:
    """Delete the stacks of these names, in AWS only if somebody agrees, and wait; whether there was each."""
    if target.is_local:
        environment = local_environment()
        return {
            name: local_deploy.remove(application, state_directory(), environment)
            for name, application in applications.items()
        }
    there = {name: stacks.described(target.client, name) is not None for name in applications}
    question = f"Delete the {'stack' if len(applications) == 1 else 'stacks'} {', '.join(applications)}{more}?"
    if any(there.values()) and not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
        raise CommandError("Nothing was deleted.", "Add --yes.", USAGE)
    for name in filter(there.get, applications):
        stacks.remove(target.client, name)
    return there


def gone_or_never_there(removed: Mapping[str, bool]) -> list[str]:
    """What became of each stack, in words."""
    return [f"{name} is gone." if was_there else f"There is no {name}." for name, was_there in removed.items()]


def parameters_in(application: Application) -> frozenset[str]:
    """The names of a template's parameters."""
    return frozenset(template_of(application)["Parameters"])


def template_of(application: Application) -> dict[str, Any]:
    """An application's template."""
    return parsed((application.folder / "template.yaml").read_text("utf-8"))


def given_parameters(
    texts: Sequence[str], known: frozenset[str], lists: str, gone: Mapping[str, str] = {}
) -> dict[str, str]:
    """The parameters typed as NAME=VALUE, by their names; those that are `gone` are refused with the reason."""
    given = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name.isalnum() or not equals:
            raise CommandError(
                f"{printable(text)[:60]} is no parameter.",
                "Write --parameter NAME=VALUE, such as Architecture=arm64.",
                USAGE,
            )
        if name in gone:
            raise CommandError(f"{name} is no parameter any more: {gone[name]}", "Leave it out.", USAGE)
        if name not in known:
            raise CommandError(
                f"There is no parameter {printable(name)[:60]}.", f"{lists} those that there are.", USAGE
            )
        given[name] = value
    return given


def local_environment() -> dict[str, str]:
    """What a program needs to reach the local AWS, which must be up."""
    running = stack.running(state_directory())
    if running is None:
        raise CommandError("The local AWS is not running.", f"Start it with: {typed()} up --detach")
    return running.environment()
