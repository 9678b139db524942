"""Whatever goes wrong ends in one sentence, a hint, and the promised exit code; never in a traceback."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as botocore
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from cli import target as targets
from cli.errors import CommandError
from cli.explanations import explain
from cli.target import Target
from local.errors import LocalAwsError
from tests.unit.cli.answers import Answer, Command


def _refused(code: str, operation: str = "PutObject") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "some\nlong words"}}, operation)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (botocore.NoCredentialsError(), "No AWS credentials were found"),
        (botocore.PartialCredentialsError(provider="env", cred_var="x"), "No AWS credentials were found"),
        (botocore.TokenRetrievalError(provider="sso", error_msg="expired"), "sign-in has expired"),
        (botocore.UnauthorizedSSOTokenError(), "sign-in has expired"),
        (botocore.ProfileNotFound(profile="work"), "profile (work)"),
        (botocore.NoRegionError(), "in which AWS region"),
        (botocore.EndpointConnectionError(endpoint_url="https://s3.eu-central-1.amazonaws.com"), "cannot be reached"),
        (botocore.EndpointConnectionError(endpoint_url="http://127.0.0.1:4566"), "The local AWS does not answer"),
        (botocore.ReadTimeoutError(endpoint_url="https://s3.amazonaws.com"), "cannot be reached"),
        (botocore.ParamValidationError(report="Invalid bucket name"), "Invalid bucket name"),
        (botocore.DataNotFoundError(data_path="x"), "could not be asked"),
        (_refused("ExpiredToken"), "credentials have expired"),
        (_refused("ExpiredTokenException"), "credentials have expired"),
        (_refused("InvalidClientTokenId"), "does not know these credentials"),
        (_refused("AccessDenied"), "denies PutObject"),
        (_refused("AccessDeniedException", "Query"), "denies Query"),
        (_refused("ThrottlingException"), "slow down"),
        (_refused("NoSuchBucket"), "found nothing of that name"),
        (_refused("SomethingElse"), "refused PutObject: SomethingElse. some long words"),
        (LocalAwsError("It is broken.", "Mend it."), "It is broken."),
        (CommandError("That is wrong.", "Do this."), "That is wrong."),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: /x"),
    ],
)
def test_expected_errors_become_a_sentence_and_a_hint(error: Exception, words: str) -> None:
    """Each error that a person can meet is named, on one line, with something to do about it."""
    explained = explain(error)

    assert explained is not None
    assert words in explained.message
    assert explained.hint
    assert "\n" not in explained.message + explained.hint


def test_a_fault_of_ours_is_not_dressed_up() -> None:
    """An error that nobody foresaw has no explanation; the outermost handler calls it our fault."""
    assert explain(KeyError("x")) is None


def _assert_plain(answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code
    assert answer.out == ""
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err


def test_no_local_aws(command: Command) -> None:
    """A command that needs the local AWS says how to start it."""
    for arguments in (("results",), ("logs", "a.jpg"), ("start", "bucket", "key"), ("open",)):
        _assert_plain(command(*arguments), 1, "The local AWS is not running", "vehiclevision up")


def test_no_credentials(command: Command) -> None:
    """A stack without credentials says how to sign in."""
    _assert_plain(command("results", "--stack", "x", "--region", "eu-central-1"), 1, "No AWS credentials", "Sign in")


def test_no_region(command: Command) -> None:
    """A stack without a region asks for one."""
    _assert_plain(command("results", "--stack", "x"), 1, "region", "--region")


def test_unknown_profile(command: Command) -> None:
    """A profile that is not configured is named."""
    _assert_plain(command("results", "--stack", "x", "--profile", "nobody"), 1, "nobody")


@pytest.mark.parametrize(
    "arguments",
    [
        ("drop",),
        ("drop", "--no-such-option"),
        ("no-such-command",),
        ("results", "--limit", "0"),
        ("results", "--limit", "many"),
        ("results", "--outcome", "PERHAPS"),
        ("results", "--region", "eu-central-1"),
        ("drop", "/there/is/no/such/file"),
        ("demo", "/there/is/no/such/file"),
    ],
)
def test_mistakes_in_the_command_line_give_two(command: Command, arguments: tuple[str, ...]) -> None:
    """A usage mistake is exit code 2, with words on standard error only."""
    answer = command(*arguments)

    _assert_plain(answer, 2)
    assert answer.err.strip()


def test_a_missing_stack_is_named(deployed: Target) -> None:
    """CloudFormation's unspecific answer becomes the stack's name, the region, and what to check."""
    with pytest.raises(CommandError, match="There is no stack nowhere in eu-central-1") as caught:
        targets.deployed(_stubbed(deployed, "ValidationError"), "nowhere")

    assert "--stack" in caught.value.hint


def test_other_refusals_of_cloudformation_stay_what_they_are(deployed: Target) -> None:
    """Missing permissions are not taken for a missing stack."""
    with pytest.raises(ClientError, match="AccessDenied"):
        targets.deployed(_stubbed(deployed, "AccessDenied"), "nowhere")


def _stubbed(target: Target, code: str) -> Any:
    client = target.session.client("cloudformation")
    stubber = Stubber(client)
    stubber.add_client_error("describe_stacks", code, http_status_code=400)
    stubber.activate()

    class Session:
        region_name = target.region

        def client(self, *_: Any, **__: Any) -> Any:
            return client

    return Session()


def test_status_of_nothing_is_no_error(command: Command) -> None:
    """With nothing running, status says so and gives 1, as JSON too; down has nothing to do."""
    assert "not up" in command("status").out
    answer = command("status", "--json")
    assert answer.code == 1
    assert answer.json_lines()[0]["up"] is False
    assert command("down").code == 0


@pytest.mark.parametrize("name", ["up", "down", "status", "drop", "start", "results", "logs", "open", "demo"])
def test_help_fits_a_terminal(command: Command, name: str) -> None:
    """Each command has a help text of at most 80 columns."""
    answer = command(name, "--help")

    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 80


def test_help_and_version_load_no_sdk(root: Path) -> None:
    """Start-up stays quick: neither boto3 nor the local engine nor the drawing code is loaded for a help text."""
    program = (
        "import sys; from cli.main import main; main(['--help']); main(['--version']); "
        "unwanted = {'boto3', 'botocore', 'PIL', 'numpy', 'matplotlib', 'jinja2', 'onnxruntime', 'local.stack'}; "
        "unwanted |= {'ministack'} | {name for name in sys.modules if name.startswith('cli.commands.')}; "
        "print(sorted(unwanted & set(sys.modules)))"
    )

    answer = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)

    assert answer.stdout.splitlines()[-1] == "[]"
    assert "vehiclevision 0." in answer.stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves_early_causes_no_traceback(root: Path, tmp_path: Path, options: list[str]) -> None:
    """`vehiclevision … | head -1` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    program = "import sys; from cli.main import main; sys.exit(main(sys.argv[1:]))"

    answer = subprocess.run(
        [sys.executable, "-c", program, "status", *options],
        cwd=root,
        env={**os.environ, "VEHICLEVISION_DIRECTORY": str(tmp_path)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)

    assert answer.returncode == 1
    assert answer.stderr == ""
