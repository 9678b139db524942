"""`doctor`: each finding is a sentence with a remedy, and nothing secret."""

import json
import shutil
import sys
import venv
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from cli.commands import doctor
from cli.quotas import BLOCKED, OK, QUOTAS, WARNING, Finding, account_quotas
from tests.unit.cli.answers import Command

ACCOUNT = "123456789012"
OWN_PYTHON = f"PythonRuntime:\n  Type: String\n  Default: python{sys.version_info.major}.{sys.version_info.minor}"


def test_it_looks_here_without_an_account(command: Command) -> None:
    """On a machine with no local AWS and no credentials it ends well, one sentence a finding."""
    answer = command("doctor", "--json")

    findings = [json.loads(line) for line in answer.out.splitlines()]
    assert {each["what"] for each in findings} >= {"Python", "Docker", "disk", "ports", "local AWS", "SAM CLI"}
    for each in findings:
        assert each["finding"].endswith(".")
        assert each["remedy"] or each["state"] == OK
    assert answer.code == (1 if any(each["state"] == BLOCKED for each in findings) else 0)


def test_without_credentials_it_says_how_to_sign_in(command: Command) -> None:
    """In AWS the first thing missing is told, and the exit code says that it blocks."""
    answer = command("doctor", "--aws", "--region", "eu-central-1")

    assert answer.code == 1
    assert "No AWS credentials were found" in answer.out
    assert "Sign in" in answer.out
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("finding", "state", "words"),
    [
        (doctor.own_python((3, 12)), OK, "3.12"),
        (doctor.own_python((3, 9)), BLOCKED, "not supported"),
        (doctor.lambda_python("", lambda _: None), WARNING, "python3.13"),
        (doctor.lambda_python(OWN_PYTHON, lambda _: sys.executable), OK, "on the path and runs"),
        (doctor.lambda_python("", lambda _: shutil.which("false")), WARNING, "does not run"),
        (doctor.lambda_python("", lambda _: "/nowhere/python3.13"), WARNING, "does not run"),
        (doctor.sam_cli(lambda _: None, Path("/nowhere")), BLOCKED, "not installed"),
        (doctor.docker(lambda _: None), OK, "nothing needs it"),
        (doctor.disk(1_000_000_000), BLOCKED, "1.0 GB"),
        (doctor.disk(50_000_000_000), OK, "50 GB"),
        (doctor.proxies({"AWS_ENDPOINT_URL_S3": "http://x"}), WARNING, "AWS_ENDPOINT_URL_S3"),
        (doctor.proxies({}), OK, "No AWS_ENDPOINT_URL"),
        (doctor.training_tools(Path("/nowhere")), OK, "PyTorch is not installed"),
    ],
)
def test_each_finding(finding: Finding, state: str, words: str) -> None:
    """What is missing blocks or warns, with a remedy; what is optional says so."""
    assert finding.state == state
    assert words in finding.sentence
    assert finding.remedy or state == OK


def test_a_python_without_pip_builds_nothing(tmp_path: Path) -> None:
    """Debian's is one, where nobody has installed python3-pip."""
    venv.create(tmp_path, with_pip=False)

    assert doctor.lambda_python(OWN_PYTHON, lambda _: f"{tmp_path}/bin/python").state == WARNING


def test_the_account_number_is_never_shown_whole() -> None:
    """A screen that is shared shows four digits of it, and the root user is warned about."""
    user = doctor.signed_in({"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/someone"})
    root = doctor.signed_in({"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"})

    assert (user.state, root.state) == (OK, WARNING)
    for each in (user, root):
        assert ACCOUNT not in json.dumps(each.as_json())
        assert "someone" not in each.sentence
        assert "9012" in each.sentence


def _quotas(defaults: dict[str, float], own: dict[str, float]) -> list[Finding]:
    client = boto3.client(
        "service-quotas", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    stubber = Stubber(client)
    for operation, values in (("list_aws_default_service_quotas", defaults), ("list_service_quotas", own)):
        quotas = [{"QuotaName": name, "Value": value} for name, value in values.items()]
        stubber.add_response(operation, {"Quotas": quotas}, {"ServiceCode": "sagemaker"})
    with stubber:
        return list(account_quotas(client))


def test_a_quota_of_nothing_says_what_to_ask_for() -> None:
    """The endpoint's quota blocks; the GPU's, often 0 in a new account, only the built-in algorithm."""
    names = [name for name, _ in QUOTAS]

    found = {each.what: each for each in _quotas(dict.fromkeys(names, 0.0), {names[0]: 2.0})}

    assert found[names[0]].state == OK
    assert found["ml.m5.xlarge for endpoint usage"].state == BLOCKED
    assert found["ml.g4dn.xlarge for training job usage"].state == WARNING
    assert "Ask for 1" in found["ml.m5.xlarge for endpoint usage"].remedy


def test_quotas_that_cannot_be_read_do_not_block() -> None:
    """The right to read quotas is rare; that is a warning."""

    class Denied:
        def get_paginator(self, operation: str) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, operation)

    (finding,) = account_quotas(Denied())

    assert finding.state == WARNING
    assert "denies" in finding.sentence
