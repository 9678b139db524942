"""What `vehiclevision env` prints is what a shell reads."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from cli.main import main
from local import stack
from local.credentials import Credentials


def running(directory: Path) -> stack.LocalAws:
    root = Credentials("LOCAL", "a secret with $(touch x) and 'quotes'")
    return stack.LocalAws("http://127.0.0.1:4566", directory, root)


def test_a_shell_gets_what_the_clients_need(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every variable, exactly, whatever characters are in it; and nothing in it is run."""
    monkeypatch.setattr(stack, "running", running)

    code = main(["env"])

    printed = capsys.readouterr().out
    script = f"{printed}\nenv"
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["sh", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    seen = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert code == 0
    assert running(tmp_path).environment().items() <= seen.items()
    assert list(tmp_path.iterdir()) == []
    assert all(shlex.split(line)[0] == "export" for line in printed.splitlines())


def test_without_a_local_aws_it_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence and a hint, and nothing that a shell would read."""
    code = main(["env"])

    printed = capsys.readouterr()
    assert code == 1
    assert printed.out == ""
    assert "up --detach" in printed.err
