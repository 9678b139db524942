"""The command reference, from the program itself: each command with its arguments and options."""

import importlib
from collections.abc import Iterator
from typing import Any

import typer.main

from docs.site.sources import cell

PAGE = """# Commands

What `vehiclevision --help` and the help of each command say, on one page.
"""


def page() -> str:
    """All commands in the order of the program's own help."""
    program = typer.main.get_command(importlib.import_module("cli.main").app)
    return PAGE + "".join(_section(name, command) for name, command in _commands("vehiclevision", program))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield name, command
    for short_name, subcommand in subcommands.items():
        if not subcommand.hidden:
            yield from _commands(f"{name} {short_name}", subcommand)


def _section(name: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = "".join(_row(parameter) for parameter in shown)
    table = f"\n| argument or option | what it does |\n|---|---|\n{rows}" if rows else ""
    return f"\n## {name}\n\n{_paragraphs(command.help or '')}\n{table}"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.replace("\b", "").split("\n\n"))


def _row(parameter: Any) -> str:
    """An argument by its name, an option by all its spellings and what it takes; a default if it has one to state."""
    value = parameter.metavar or (parameter.name or "").upper()
    if parameter.param_type_name != "option":
        return f"| `{cell(value)}` | {cell(parameter.help or '')} |\n"
    shown = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    takes = "" if parameter.is_flag else f" *{cell(value)}*"
    default = parameter.default
    stated = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    note = f" Default: `{cell(default)}`." if stated else ""
    return f"| {shown}{takes} | {cell(parameter.help or '')}{note} |\n"
