"""The targets of the Makefile, where a checkout lies in a folder of an odd name, was moved, or was set up by halves."""

import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make` reads, in a folder with a space in its name."""
    folder = tmp_path / "my projects"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def make(checkout: Path, *words: str) -> str:
    command = ["make", f"PYTHON={sys.executable}", *words]
    return subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("target", ["test", "soak"])
def test_only_what_lies_in_the_checkout_is_deleted(checkout: Path, target: str) -> None:
    """A space in the folder's name splits no path in two."""
    commands = [shlex.split(line) for line in make(checkout, "--dry-run", target).splitlines() if "rm -rf" in line]
    deleted = [word for command in commands for word in command[2:] if word.startswith("/")]

    assert deleted
    assert all(path.startswith(str(checkout)) for path in deleted)


def test_a_moved_checkout_is_set_up_anew(checkout: Path) -> None:
    """Its commands would name a Python that is no longer there."""
    venv.create(checkout / ".venv")
    (checkout / ".venv/.ready").touch()
    make(checkout)
    kept = (checkout / ".venv").exists()

    moved = checkout.rename(checkout.with_name("moved"))
    make(moved)

    assert kept
    assert not (moved / ".venv").exists()


def test_an_environment_made_by_halves_is_made_anew(checkout: Path) -> None:
    """A Python without pip is what stays behind where its making was interrupted, or has failed."""
    venv.create(checkout / ".venv", with_pip=False)
    (checkout / "requirements/uv.txt").write_text("")

    script = "scripts/make-environment"
    subprocess.run([script, ".venv", "requirements/uv.txt", sys.executable, "nothing"], cwd=checkout, check=True)

    assert (checkout / ".venv/bin/pip").exists()
