"""All that can be typed: each command with its arguments and options, held to a list that is kept beside this test."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app, main

KEPT = Path(__file__).with_name("commands.txt")
_ROW = re.compile(r"^│ (.*) │$")
_PANEL = re.compile(r"^╭─ (.*?) ─+╮$")
_VALUES = re.compile(r"\[(?:required|default: [^\]]*)\]$")


def test_each_command_and_option_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the help texts offer is what the list says; whoever changes it changes the list, and says so to users."""
    monkeypatch.setenv("COLUMNS", "500")

    offered = "\n".join(_offered([], capsys)).splitlines()

    assert offered == KEPT.read_text().splitlines()


def _offered(path: list[str], capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """A command's usage line and its options, and those of all below it."""
    assert main([*path, "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    yield next(line.removeprefix("Usage: ") for line in lines if line.startswith("Usage: "))
    options, below, panel = [], [], ""
    for line in lines:
        if title := _PANEL.match(line):
            panel = title[1]
        elif (row := _ROW.match(line)) and (option := _option(row[1])):
            options.append(f"  {option}" if panel == "Options" else f"  {panel}: {option}")
        elif row:
            below.append(row[1].split()[0])
    yield from sorted(options)
    for name in below:
        yield from _offered([*path, name], capsys)


def _option(row: str) -> str | None:
    """An option or argument without its explanation; None for a command."""
    cells = re.split(r"\s{2,}", row.strip("* "))
    if not cells[0].startswith("-") and not cells[0].isupper():
        return None
    value = _VALUES.search(cells[-1])
    return " ".join([*cells[:-1], *([value[0]] if value else [])])


def test_each_command_of_a_runbook_is_taken_and_says_of_which_stack(root: Path) -> None:
    """Our program takes every line that a runbook tells to type; without a stack it would look at the local AWS."""
    lines = {
        (page.stem, line)
        for page in (root / "docs/runbooks").glob("*.md")
        for line in re.findall(r"(?:^|`)(vehiclevision [^`\n]+)", page.read_text(), re.MULTILINE)
    }

    assert len(lines) > 40
    assert {line: fault for line in sorted(lines) if (fault := _misuse(line[1]))} == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("vehiclevision reconcile --mend --stack S", "No such option: --mend"),
        ("vehiclevision sagemaker depoly --stack S", "there is no depoly"),
        ("vehiclevision baseline --stack S", "Missing option '--from'"),
        ("vehiclevision redrive --fix", "of which stack"),
    ],
)
def test_a_line_that_would_not_do_is_told(line: str, fault: str) -> None:
    """What the test above rests on."""
    assert fault in _misuse(line)


def _misuse(line: str) -> str:
    """What our program would say to a command line; nothing if it takes it."""
    command: Any = get_command(app)
    _, *words = shlex.split(line)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"there is no {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    try:
        command.make_context(line, list(words))
    except Exception as error:
        # So typer's errors about a command line can be told; it gives them no name of their own.
        if not hasattr(error, "format_message"):
            raise
        return str(error.format_message())
    can_say = any("--stack" in parameter.opts for parameter in command.params)
    return "it does not say of which stack" if can_say and not {"--stack", "--aws"} & set(words) else ""


def test_a_file_is_a_command_and_knows_no_other(root: Path) -> None:
    """Each file below cli/commands is named by its folder, says in its first line what it does, and stands alone."""
    folder = root / "cli/commands"
    for file in folder.rglob("*.py"):
        text = file.read_text()
        assert "cli.commands" not in text, f"{file} imports another command"
        assert re.match(r'"""[A-Z].*[.?]', text), f"{file} does not say what it does"
    for package in [folder, *(path.parent for path in folder.glob("*/__init__.py"))]:
        name = ".".join(package.relative_to(root).parts)
        files = {path.stem for path in package.iterdir() if path.suffix == ".py"} - {"__init__"}
        folders = {path.parent.name for path in package.glob("*/__init__.py")}
        assert set(import_module(name).COMMANDS) == files | folders
