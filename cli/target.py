"""Where the commands work: the local AWS, or a deployed stack reached with ordinary AWS credentials."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

from cli.errors import USAGE, CommandError
from console.deployed import Deployed
from lifecycle import stacks
from local import stack as local_stack
from local.deploy import sealed_session
from local.sagemaker import servers
from local.stack import LocalAws

LOCAL_STACK = "vehiclevision"
# Another folder for the local AWS's state, so that two can run side by side.
DIRECTORY_VARIABLE = "VEHICLEVISION_DIRECTORY"
UPLOAD_THREADS = 8


@dataclass(frozen=True)
class Target(Deployed):
    """A deployed application, reached with a session of somebody's own."""

    session: boto3.session.Session = field(repr=False)
    endpoint_url: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is the local AWS."""
        return self.endpoint_url is not None

    @property
    def options(self) -> str:
        """What to add to a command so that it works on this application too."""
        return "" if self.is_local else super().options

    def beside(self, room: str) -> str:
        """What the stack of an application beside it is called, such as monitoring's."""
        return f"{self.stack}-{room}"

    def write_captures(self) -> None:
        """Have the local endpoint write what it captured, so that what it was asked a second ago counts too."""
        if self.is_local:
            servers.flush(state_directory())

    def output(self, name: str) -> str:
        """One output of the stack; a stack without it is not ours."""
        value = self.outputs.get(name)
        if not value:
            raise CommandError(
                f"The stack {self.stack} has no output {name}, so it is not VehicleVision or an older release of it.",
                "Deploy this release: vehiclevision deploy --aws",
            )
        return value

    def client(self, service: str) -> Any:
        """A boto3 client of the named service, safe to share between threads."""
        return _client(self.session, service, self.endpoint_url)


def state_directory() -> Path:
    """The folder in which the local AWS keeps its state."""
    own = os.environ.get(DIRECTORY_VARIABLE)
    return Path(own).expanduser().resolve() if own else local_stack.DIRECTORY


def find(stack: str | None, region: str | None, profile: str | None) -> Target:
    """The named stack in AWS, or without a name the local AWS, which must be up."""
    if stack is None:
        if region or profile:
            raise CommandError(
                "--region and --profile belong to --stack.", "Add --stack NAME, or leave them out.", USAGE
            )
        return local_target(_running_here())
    session = boto3.session.Session(region_name=region, profile_name=profile)
    return deployed(session, stack)


def find_account(stack: str | None, region: str | None, profile: str | None, *, aws: bool) -> Target:
    """An account in AWS if one is named in any way, whether the stack is deployed there or not; else the local AWS."""
    if not (aws or stack or region or profile):
        return _reached(_running_here())
    session = boto3.session.Session(region_name=region, profile_name=profile)
    if session.region_name is None:
        raise NoRegionError
    return Target(stack or LOCAL_STACK, session.region_name, {}, session)


def local_target(running: LocalAws) -> Target:
    """The application in a running local AWS."""
    target = _reached(running)
    if not target.outputs:
        raise CommandError("The local AWS runs, but the application is not deployed in it.", "Run: vehiclevision up")
    return target


def _reached(running: LocalAws) -> Target:
    """A running local AWS, whether the application is deployed in it or not."""
    own = running.credentials
    sealed = sealed_session(own.access_key_id, own.secret_access_key)
    session = boto3.session.Session(botocore_session=sealed, region_name=running.region)
    return Target(LOCAL_STACK, running.region, running.outputs(), session, running.engine_url)


def _running_here() -> LocalAws:
    running = local_stack.running(state_directory())
    if running is None:
        raise CommandError(
            "The local AWS is not running.",
            "Start it with: vehiclevision up --detach. For a stack in AWS add --stack NAME.",
        )
    return running


def deployed(session: boto3.session.Session, stack: str) -> Target:
    """A stack in AWS; CommandError where there is none, or it is in no state to work with."""
    described = stacks.described(lambda service: _client(session, service, None), stack)
    if described is None:
        raise CommandError(
            f"There is no stack {stack} in {session.region_name}.",
            "Check --stack, --region and --profile, or deploy it: vehiclevision deploy --aws",
        )
    if described["StackStatus"] not in stacks.SOUND:
        raise CommandError(
            f"The stack {stack} is in state {described['StackStatus']} and cannot be used.",
            "Look at its events in the CloudFormation console, then deploy it again.",
        )
    return Target(stack, session.region_name, stacks.outputs(described), session)


def _client(session: boto3.session.Session, service: str, endpoint_url: str | None) -> Any:
    settings = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=UPLOAD_THREADS + 2,
        proxies={} if endpoint_url else None,
        s3={"addressing_style": "path"} if endpoint_url else None,
        user_agent_extra="vehiclevision",
    )
    return session.client(service, config=settings, endpoint_url=endpoint_url)  # type: ignore[call-overload]
