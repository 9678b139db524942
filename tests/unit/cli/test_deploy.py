"""`vehiclevision deploy --aws`: what is built for, what CloudFormation is given, and what is left as it was."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.commands import deploy
from cli.errors import CommandError
from cli.sagemaker import Connection
from cli.target import Target
from lifecycle import foundation
from lifecycle import lean as thrift
from lifecycle.site import Aws
from local.deploy import VEHICLEVISION
from tests.unit.lifecycle.fake_aws import REGION, FakeAws
from tests.unit.lifecycle.steps import deploy_newest, register_shipped
from tests.unit.lifecycle.test_commands import SHIPPED, Reached

OWN = f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Account(Target):
    """An account in AWS, whose services answer from memory."""

    reached: Aws | None = None

    def client(self, service: str) -> Any:
        assert self.reached is not None
        return self.reached.client(service)


@pytest.fixture
def fake() -> FakeAws:
    return FakeAws()


@pytest.fixture
def account(fake: FakeAws) -> Reached:
    session = boto3.session.Session("testing", "testing", region_name=REGION)
    aws = fake.aws()
    target = Account("vehiclevision", REGION, {}, session, reached=aws)
    return Reached(aws=True, profile="work", connection=Connection(target, aws, " --aws"))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a `sam` that does nothing was asked, and where it finds the Python that runs this."""
    log, program = tmp_path / "asked", tmp_path / "sam"
    program.write_text(f'#!/bin/sh\necho "$*" >> {log}\ncommand -v {OWN} >> {log}\n')
    program.chmod(0o755)
    monkeypatch.setenv("VEHICLEVISION_SAM", str(program))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return log


def serve_a_model(account: Reached) -> None:
    """The shipped model, registered, approved and deployed."""
    foundation.ensure(account.aws_here)
    register_shipped(account.aws_here)
    deploy_newest(account.aws_here, approve=True)


def with_application(fake: FakeAws, **parameters: str) -> None:
    """The application as it was deployed before."""
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    fake.deploy_application()
    fake.stacks["vehiclevision"]["Parameters"] = given


def deployed(account: Reached, capfd: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    capfd.readouterr()
    assert deploy.command(account=account, yes=True, as_json=True, **options) == 0
    facts: dict[str, Any] = json.loads(capfd.readouterr().out.splitlines()[-1])
    return facts


def test_endpoint_and_threshold_are_the_models(
    account: Reached, fake: FakeAws, asked: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built for a Python that is here and deployed with the very same; the threshold is that of what serves."""
    serve_a_model(account)
    with_application(fake, EndpointName="vehiclevision", ConfidenceThreshold="0.9", PythonRuntime="python3.9")
    monkeypatch.setattr("shutil.which", lambda _: None)

    facts = deployed(account, capfd)

    build, where, deployment, _ = asked.read_text().splitlines()
    assert facts["parameters"] == {
        "EndpointName": "vehiclevision",
        "ConfidenceThreshold": str(SHIPPED),
        "PythonRuntime": OWN,
        "Architecture": "x86_64",
    }
    assert facts["changed"] == ["Architecture", "ConfidenceThreshold", "PythonRuntime"]
    assert build == f"build --parameter-overrides PythonRuntime={OWN} Architecture=x86_64"
    assert where.endswith(OWN)
    assert f'PythonRuntime="{OWN}"' in deployment
    assert f'ConfidenceThreshold="{SHIPPED}"' in deployment
    assert "--stack-name vehiclevision --region eu-central-1 --profile work --no-confirm-changeset" in deployment


def test_another_endpoint_is_left_alone(
    account: Reached, fake: FakeAws, asked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who asks an endpoint of their own keeps it, and its threshold."""
    serve_a_model(account)
    with_application(fake, EndpointName="mine", ConfidenceThreshold="0.9")

    facts = deployed(account, capfd)

    assert not {"EndpointName", "ConfidenceThreshold"} & set(facts["parameters"])
    assert "EndpointName" not in asked.read_text()


def test_without_an_endpoint_it_is_said(account: Reached, asked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The application is deployed all the same, with the template's own threshold."""
    deploy.command(account=account, yes=True)

    assert "There is no endpoint yet." in capfd.readouterr().err
    assert "ConfidenceThreshold" not in asked.read_text()


def test_what_is_given_wins(account: Reached, asked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A parameter by hand stands over what the model says."""
    serve_a_model(account)

    facts = deployed(account, capfd, parameters=["ConfidenceThreshold=0.95", "AlarmEmail=a@b.example"])

    assert facts["parameters"]["ConfidenceThreshold"] == "0.95"
    assert 'AlarmEmail="a@b.example"' in asked.read_text()


def test_lean_gives_samconfigs_parameters_and_takes_them_back(
    account: Reached, fake: FakeAws, asked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is given by hand wins; --no-lean gives the template's defaults; without either nothing is touched."""
    serve_a_model(account)
    thrifty = thrift.parameters(VEHICLEVISION.folder)

    lean = deployed(account, capfd, lean=True, parameters=["UploadRetentionDays=7"])
    with_application(fake, **lean["parameters"])
    untouched = deployed(account, capfd)
    full = deployed(account, capfd, lean=False)

    assert lean["parameters"].items() >= {**thrifty, "UploadRetentionDays": "7"}.items()
    assert not untouched["parameters"].keys() & (thrifty.keys() - {"Architecture", "CapturePercent"})
    assert untouched["parameters"]["Architecture"] == "arm64"
    assert {name: full["parameters"][name] for name in ("Watch", "Tracing", "WorkflowType", "Architecture")} == {
        "Watch": "full", "Tracing": "enabled", "WorkflowType": "STANDARD", "Architecture": "x86_64"
    }  # fmt: skip
    assert "Architecture=arm64" in asked.read_text().splitlines()[0]


def test_a_dry_run_runs_nothing(account: Reached, asked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The two commands are printed as they would be run."""
    assert deploy.command(account=account, dry_run=True) == 0

    said = capfd.readouterr().out.splitlines()
    assert said[0].startswith("sam build --parameter-overrides PythonRuntime=python3.")
    assert said[1].startswith('sam deploy --parameter-overrides PythonRuntime="python3.')
    assert not asked.exists()


@pytest.mark.parametrize(
    ("given", "before", "here", "chosen"),
    [
        (None, None, {"python3.13"}, "python3.13"),
        (None, "python3.12", {"python3.12", "python3.13"}, "python3.12"),
        (None, "python3.9", {"python3.9", "python3.13"}, "python3.13"),
        (None, None, set(), OWN),
        ("python3.14", None, {"python3.14"}, "python3.14"),
        (OWN, "python3.14", set(), OWN),
    ],
)
def test_it_is_built_for_a_python_that_is_here(
    given: str | None, before: str | None, here: set[str], chosen: str
) -> None:
    """The deployed runtime stays while its Python is here; one that Lambda no longer has is left."""
    assert deploy.runtime(given, before, lambda name: name if name in here else None) == chosen


def test_a_python_that_is_not_here_is_refused() -> None:
    """Rather than packed for the wrong one, after which every photo would fail."""
    absent = next(each for each in deploy.RUNTIMES if each != OWN)

    with pytest.raises(CommandError, match="not on the path"):
        deploy.runtime(absent, None, lambda _: None)


def test_it_deploys_to_aws_only(account: Reached) -> None:
    """On this machine it is `up`."""
    with pytest.raises(CommandError, match="deploys to AWS"):
        deploy.command(account=Reached(connection=account.connection))
