"""SAM applications beside the first: deployed into the local AWS, or in AWS as one would by hand."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from cli.display import notes, printable, teller, typed
from cli.errors import CommandError
from cli.target import Target, state_directory
from local import deploy as local_deploy
from local import stack
from local.deploy import Application
from monitoring import watched


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
            tell = teller(notes())
            return local_deploy.deploy(application, state_directory(), local_environment(), tell, parameters)
        build = [f"PythonRuntime={parameters['PythonRuntime']}", f"Architecture={parameters['Architecture']}"]
        options = ["--stack-name", name, "--region", self.target.region]
        if self.profile:
            options += ["--profile", self.profile]
        if self.yes:
            options.append("--no-confirm-changeset")
        self._sam(application, "build", "--parameter-overrides", *build)
        self._sam(application, "deploy", *options, "--parameter-overrides", *local_deploy.overrides(parameters))
        return watched.outputs(watched.described(self.target.client, name))

    def _sam(self, application: Application, *arguments: str) -> None:
        notes().print(f"In {application.folder}: {printable(' '.join(['sam', *arguments]))}")
        done = subprocess.run(  # noqa: S603 - our own words and the application's outputs
            [str(local_deploy.sam_executable()), *arguments],
            cwd=application.folder,
            env={**os.environ, "SAM_CLI_TELEMETRY": "0"},
            stdout=sys.stderr if self.quiet else None,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(f"`sam {arguments[0]}` failed.", "What it said stands above.")


def parameters_in(application: Application) -> frozenset[str]:
    """The names of a template's parameters."""
    text = (application.folder / "template.yaml").read_text("utf-8")
    section = text.partition("\nParameters:\n")[2].partition("\nConditions:\n")[0]
    return frozenset(re.findall(r"^  (\w+):$", section, re.MULTILINE))


def local_environment() -> dict[str, str]:
    """What a program needs to reach the local AWS, which must be up."""
    running = stack.running(state_directory())
    if running is None:
        raise CommandError("The local AWS is not running.", f"Start it with: {typed()} up --detach")
    return running.environment()
