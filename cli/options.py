"""Options that several commands take, each declared once."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import boto3
import typer

from cli import target as targets
from cli.target import Target
from cli.times import ends
from local import stack as local_stack
from vehiclevision.labels import TRUTHS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    Label = str
else:
    # What a person can say of a picture: vehicles.toml decides.
    Label = StrEnum("Label", [(label.upper(), label) for label in TRUTHS])

WHERE: Final = "Where"
VERSION_NAME: Final = re.compile("[1-9][0-9]{0,8}|[0-9a-f]{12}")


def option(names: str, metavar: str, text: str, **limits: Any) -> Any:
    """An option that takes a value."""
    return typer.Option(*names.split(), metavar=metavar, help=text, **limits)


def flag(names: str, text: str, **limits: Any) -> Any:
    """An option that is there or not, or one of a few words."""
    return typer.Option(*names.split(), help=text, **limits)


def version_option(text: str) -> Any:
    """The option that names a registered version, by its number or the twelve characters of its model's name."""

    def checked(name: str | None) -> str | None:
        if name is not None and not VERSION_NAME.fullmatch(name):
            raise typer.BadParameter("A version is a number, such as 3, or a model, such as 37de0b3baa07.")
        return name

    return option("--version", "N|MODEL", text, callback=checked)


def argument(metavar: str, text: str) -> Any:
    """What a command is about, without a name."""
    return typer.Argument(metavar=metavar, help=text)


Stack = Annotated[
    str | None, option("--stack", "NAME", "Work on this stack in AWS instead of the local AWS.", rich_help_panel=WHERE)
]
StackToBe = Annotated[
    str | None,
    option(
        "--stack",
        "NAME",
        "The application in AWS whose endpoint this is, deployed already or not.",
        rich_help_panel=WHERE,
    ),
]
Region = Annotated[str | None, option("--region", "REGION", "AWS region of the stack.", rich_help_panel=WHERE)]
Profile = Annotated[str | None, option("--profile", "PROFILE", "AWS profile to sign in with.", rich_help_panel=WHERE)]
AsJson = Annotated[bool, flag("--json", "Print one JSON object a line and nothing else.")]
Timeout = Annotated[
    float, option("--timeout", "SECONDS", "Stop waiting when nothing has ended for so many seconds.", min=1)
]
YesToQuestions = Annotated[bool, flag("--yes -y", "Do not ask.")]
NoWait = Annotated[bool, flag("--no-wait", "Start it and return.")]
Reason = Annotated[str, option("--reason", "TEXT", "Kept with the version.")]
RegisteredVersion = Annotated[str | None, version_option("This version, by number or model; else the newest.")]
ReviewLimit = Annotated[int, option("--limit", "N", "At most so many.", min=1)]
SureSample = Annotated[bool, flag("--sure/--no-sure", "Also the drawn sample of sure answers, after those that wait.")]
BaselineFile = Annotated[
    Path | None, option("--baseline", "FILE", "Compare with this; else with the shipped model's own.")
]


@dataclass(frozen=True)
class Application:
    """The application that a command works on: a stack in AWS, or without a name the local AWS."""

    stack: Stack = None
    region: Region = None
    profile: Profile = None

    @property
    def is_named(self) -> bool:
        """Whether anything says that it is in AWS."""
        return any((self.stack, self.region, self.profile))

    def target(self) -> Target:
        """The application, which must be deployed."""
        return targets.find(self.stack, self.region, self.profile)

    def s3(self) -> "S3Client":
        """The S3 of what was named; else that of the local AWS if it is up; else as the AWS SDK finds it by itself.

        It holds all that was captured until now.
        """
        if self.is_named or local_stack.running(targets.state_directory()):
            account = targets.find_account(self.stack, self.region, self.profile, aws=False)
            account.write_captures()
            s3: S3Client = account.client("s3")
            return s3
        return boto3.client("s3")


@dataclass(frozen=True)
class Account:
    """The account that a command works in: one in AWS if it is named in any way, else that of the local AWS."""

    aws: Annotated[bool, flag("--aws", "Work in AWS instead of the local AWS.", rich_help_panel=WHERE)] = False
    stack: StackToBe = None
    region: Region = None
    profile: Profile = None

    @property
    def is_in_aws(self) -> bool:
        """Whether anything says that it is in AWS."""
        return any((self.aws, self.stack, self.region, self.profile))

    @property
    def options(self) -> str:
        """What to add to the next command so that it works in the same account."""
        given = {"--stack": self.stack, "--region": self.region, "--profile": self.profile}
        words = [f" {name} {value}" for name, value in given.items() if value]
        return "".join([" --aws" if self.aws else "", *words])

    def target(self) -> Target:
        """The account, whether the stack is deployed there or not."""
        return targets.find_account(self.stack, self.region, self.profile, aws=self.aws)


@dataclass(frozen=True)
class Captures:
    """Which of the captured requests count."""

    since: Annotated[str | None, option("--since", "TIME", "Captured from this time on; UTC if it names no zone.")] = (
        None
    )
    until: Annotated[str | None, option("--until", "TIME", "Captured before this time.")] = None
    last: Annotated[str | None, option("--last", "LENGTH", "Captured in the last 90m, 24h, 7d or 4w instead.")] = None
    endpoint: Annotated[str | None, option("--endpoint", "NAME", "Captured of this endpoint only.")] = None
    variant: Annotated[str | None, option("--variant", "NAME", "Captured of this variant of it only.")] = None

    @property
    def are_chosen(self) -> bool:
        """Whether anything was said about them."""
        return any((self.since, self.until, self.last, self.endpoint, self.variant))

    def ends(self) -> tuple[datetime | None, datetime | None]:
        """From when and to when; None is open."""
        return ends(self.since, self.until, self.last, datetime.now(UTC))
