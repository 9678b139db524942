"""Runbooks followed to the letter: the commands of a page's own Markdown, run as they stand, in one shell."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.target import DIRECTORY_VARIABLE
from tests.workflow.driver import Application

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
AWS = shutil.which("aws")
# What can be followed in AWS only, each with its reason.
NOT_HERE: Mapping[str, str] = {
    "aws service-quotas ": "quotas are an account's, and AWS's to grant",
    "/aws/sagemaker/": "no container and no training job has written a log here",
    "aws logs tail ": "version 1 of the AWS CLI has no such command, and this may be one",
    # AWS, CreateChangeSet, read on 29 November 2026: "REVERT_DRIFT – Creates a drift-aware change set that brings
    # actual resource states in line with template definitions."
    "put-back": "MiniStack compares templates alone",
}
# These say by 1 that something is left.
TELLS_BY_ITS_CODE = re.compile(r"vehiclevision (?:reconcile|redrive) ")
DEFINES = re.compile(r"\w+(?:=|\(\) \{)")
MARK = "--- that ended with"
# Version 1 sends this service's calls to AWS whatever the environment says (docs/guide/local.md).
PRELUDE = 'aws() { [ "$1" = sqs ] && set -- "$@" --endpoint-url "$AWS_ENDPOINT_URL"; command aws "$@"; }'


@dataclass(frozen=True)
class Done:
    """A command of a page, and what it said."""

    line: str
    said: str


def commands(page: str, section: str) -> Iterator[str]:
    """What a page tells to type in one of its sections, or in all; what it defines in any of them comes with it."""
    for part in re.split(r"^## ", (FOLDER / f"{page}.md").read_text("utf-8"), flags=re.MULTILINE):
        for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL):
            for line in block.splitlines():
                if part.startswith(section) or DEFINES.match(line):
                    yield line


def follow(
    application: Application, page: str, section: str = "", **filled_in: str | Callable[[str], str]
) -> list[Done]:
    """Type what the page says, with what a reader fills in or reads from the last command's words; all must succeed."""
    assert AWS, "Runbooks are followed with the AWS CLI, which is not installed."
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **application.aws.environment(),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        DIRECTORY_VARIABLE: str(application.aws.state_dir),
        "AWS_PAGER": "",
        "COLUMNS": "500",
    }
    done: list[Done] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            ["bash"],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as shell,
    ):
        assert shell.stdin and shell.stdout
        for line in (PRELUDE, *commands(page, section)):
            if any(part in line for part in NOT_HERE):
                continue
            typed = line
            for word, value in filled_in.items():
                if re.search(rf"\b{word}\b", line):
                    filled = value if isinstance(value, str) else value(done[-1].said)
                    typed = shlex.quote(filled).join(re.split(rf"\b{word}\b", typed))
            shell.stdin.write(f"{{ {typed}\n}} < /dev/null; CODE=$?; echo; echo {shlex.quote(MARK)} $CODE\n")
            shell.stdin.flush()
            said: list[str] = []
            while not (heard := shell.stdout.readline()).startswith(MARK):
                assert heard, f"the shell ended at {line!r}: {''.join(said)}"
                said.append(heard)
            code = int(heard.removeprefix(MARK))
            may_be = (0, 1) if TELLS_BY_ITS_CODE.match(line) else (0,)
            assert code in may_be, f"{page}: {typed}\n{code}: {''.join(said)}"
            if not DEFINES.match(line) and line != PRELUDE:
                done.append(Done(line, "".join(said)))
        shell.stdin.close()
    return done


def said(done: list[Done], of: str) -> str:
    """What the first command with these words in it said."""
    return next(each.said for each in done if of in each.line)
