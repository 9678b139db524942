"""`vehiclevision share`: what SAM is told, what a person is told, and what is taken away again."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.commands import share
from cli.errors import CommandError
from cli.sam import template_of
from local.deploy import CONSOLE
from tests.unit.cli.test_monitor import Stacks

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:bikes-classify-vehicle"
STACK = {
    "BucketName": "bikes-uploads",
    "ResultsTableName": "bikes-results",
    "EventBusName": "bikes-vehicles",
    "StateMachineArn": MACHINE,
    "SomethingElse": "that the page does not need",
}
OWN = {"PythonRuntime": "python3.13", "Architecture": "arm64", "LogRetentionDays": "7"}
PAGE = {"PageAddress": "https://page.example", "UserPoolId": "eu-central-1_abc"}


class Clients:
    """CloudFormation and STS, as far as they are asked."""

    def __init__(self, **stacks: dict[str, str]) -> None:
        self.cloudformation, self.deleted = Stacks(OWN, **stacks), list[str]()

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - the service's own spelling
        return self.cloudformation.describe_stacks(StackName)

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012"}

    def delete_stack(self, StackName: str) -> None:  # noqa: N803
        self.deleted.append(StackName)

    def get_waiter(self, _name: str) -> "Clients":
        return self

    def wait(self, StackName: str, **_: Any) -> None:  # noqa: N803
        del self.cloudformation.stacks[StackName]


@dataclass
class Target:
    """An application in AWS."""

    clients: Clients
    stack: str = "bikes"
    region: str = "eu-central-1"
    options: str = " --stack bikes --region eu-central-1"
    is_local: bool = False
    profile: str | None = "work"

    @property
    def outputs(self) -> dict[str, str]:
        return STACK

    def beside(self, room: str) -> str:
        return f"{self.stack}-{room}"

    def target(self) -> "Target":
        """As the command's options find it."""
        return self

    def output(self, name: str) -> str:
        return STACK[name]

    def client(self, _service: str) -> Clients:
        return self.clients


def shared(target: Target, **options: Any) -> int:
    """Run the command on this application."""
    return share.command(application=target, yes=True, **options)  # type: ignore[arg-type]


@pytest.fixture
def sam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SAM that writes down what it was told."""
    program, log = tmp_path / "sam", tmp_path / "log"
    program.write_text(f'#!/bin/sh\necho "$PWD $*" >> {log}\n')
    program.chmod(0o755)
    monkeypatch.setenv("VEHICLEVISION_SAM", str(program))
    return log


def test_sam_gets_what_the_page_needs_of_the_application(sam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its outputs by name, its Python and retention, and a name for the sign-in pages that nobody else has."""
    target = Target(Clients(bikes=STACK, **{"bikes-console": PAGE}))

    assert shared(target) == 0

    built, deployed = sam.read_text().splitlines()
    assert built.endswith("console build --parameter-overrides PythonRuntime=python3.13 Architecture=arm64")
    assert "deploy --stack-name bikes-console --region eu-central-1 --profile work" in deployed
    assert {*deployed.partition("--parameter-overrides ")[2].split()} == {
        *('BucketName="bikes-uploads"', 'ResultsTableName="bikes-results"', 'EventBusName="bikes-vehicles"'),
        *('Application="bikes"', 'LogRetentionDays="7"', 'PythonRuntime="python3.13"', 'Architecture="arm64"'),
        'DomainPrefix="bikes-123456789012"',
        *(f'StateMachineArn="{MACHINE}"', 'SageMakerBucketName="bikes-sagemaker-123456789012-eu-central-1"'),
    }
    said = capsys.readouterr().out
    assert "The page: https://page.example" in said
    assert "admin-add-user-to-group --group-name viewer --user-pool-id eu-central-1_abc" in said
    assert "share --remove --stack bikes --region eu-central-1" in said


def test_what_is_given_goes_before_what_is_made_up(sam: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A chosen name for the sign-in pages; with --json there is nothing else on standard output."""
    target = Target(Clients(bikes=STACK, **{"bikes-console": PAGE}))

    assert shared(target, parameters=["DomainPrefix=riders", "SignInPages=classic"], as_json=True) == 0

    assert 'SignInPages="classic"' in sam.read_text()
    assert 'DomainPrefix="riders"' in sam.read_text()
    assert json.loads(capfd.readouterr().out) == {"stack": "bikes-console", "outputs": PAGE}


@pytest.mark.parametrize("stack", ["aws-bikes", "Amazonbikes", "bikes-of-cognito", "b" * 64])
def test_a_name_that_cognito_refuses_is_refused_before_anything_is_built(sam: Path, stack: str) -> None:
    """And the hint says how to choose another."""
    with pytest.raises(CommandError, match="Cognito takes no sign-in pages under the name") as refused:
        shared(Target(Clients(**{stack: STACK}), stack))

    assert "--parameter DomainPrefix=" in refused.value.hint
    assert not sam.exists()


def test_a_parameter_that_the_template_has_not_is_refused(sam: Path) -> None:
    """Before anything is built."""
    with pytest.raises(CommandError, match="There is no parameter Domain"):
        shared(Target(Clients(bikes=STACK)), parameters=["Domain=x"])

    assert not sam.exists()


def test_it_is_taken_away_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The second time there is nothing to take away, which is no fault."""
    target = Target(Clients(bikes=STACK, **{"bikes-console": PAGE}))

    assert (shared(target, take_away=True), shared(target, take_away=True)) == (0, 0)

    assert target.clients.deleted == ["bikes-console"]
    assert capsys.readouterr().out == "bikes-console is gone.\nThere is no bikes-console.\n"


def test_nothing_is_taken_away_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a person to ask, --yes is needed: with the page goes everybody who was added."""
    target = Target(Clients(bikes=STACK, **{"bikes-console": PAGE}))

    with pytest.raises(CommandError, match="Nothing was deleted"):
        share.command(application=target, take_away=True)  # type: ignore[arg-type]

    assert target.clients.deleted == []


def test_what_samconfig_says_fits_the_template() -> None:
    """Both environments name the page's stack, and the roles that it makes have no names of their own."""
    config = tomllib.loads((CONSOLE.folder / "samconfig.toml").read_text())
    roles = [each for each in template_of(CONSOLE)["Resources"].values() if each["Type"] == "AWS::IAM::Role"]

    for environment in ("default", "local"):
        assert config[environment]["global"]["parameters"]["stack_name"] == "vehiclevision-console"
        assert config[environment]["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
    assert roles
    assert not [each for each in roles if "RoleName" in each["Properties"]]
