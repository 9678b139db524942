"""How a file becomes a command: its docstring is the help, its function `command` has the options and does the work.

A folder is a group: the docstring of its `__init__` is the help, and `COMMANDS` names its files in their order. A
parameter whose type is a dataclass of options stands for all of them. A file is imported when its command is asked for;
a list of commands reads the first line of each.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

SETTINGS: Final[dict[str, Any]] = {"context_settings": {"help_option_names": ["-h", "--help"]}}


class Commands(Mapping[str, Any]):
    """The commands of a package by their names, each with its panel; they are imported when they are asked for."""

    def __init__(self, package: ModuleType) -> None:
        self._package = package.__name__
        self._folder = Path(str(package.__file__)).parent
        self._panels: Mapping[str, str | None] = package.COMMANDS

    def __getitem__(self, name: str) -> Any:
        panel = self._panels[name]
        return get_command(program(import_module(f"{self._package}.{name}"), name, panel))

    def __iter__(self) -> Iterator[str]:
        return iter(self._panels)

    def __len__(self) -> int:
        return len(self._panels)

    def listed(self) -> dict[str, TyperCommand]:
        """Each command as a list shows it."""
        return {
            name: TyperCommand(name, help=self._first_line(name), rich_help_panel=panel)
            for name, panel in self._panels.items()
        }

    def _first_line(self, name: str) -> str:
        file, folder = self._folder / f"{name}.py", self._folder / name
        with (file if file.is_file() else folder / "__init__.py").open(encoding="utf-8") as source:
            return source.readline().strip().strip('"')


class Flags:
    """What shows no value where none is taken."""

    def get_params(self, ctx: Any) -> Any:
        """Each parameter; typer calls a flag's value `<bool>`."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for flag in (each for each in parameters if getattr(each, "is_flag", False)):
            flag.metavar = ""
        return parameters


class Command(Flags, TyperCommand):
    """A command."""


class Group(Flags, TyperGroup):
    """A group of the commands of a package."""

    package: ClassVar[ModuleType]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = Commands(self.package)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help; the commands in it are not imported."""
        imported, self.commands = self.commands, self.commands.listed()
        super().format_help(ctx, formatter)
        self.commands = imported


def program(module: ModuleType, name: str, panel: str | None = None, **settings: Any) -> typer.Typer:
    """The program of a file or a folder, as typer wants it."""
    run = getattr(module, "command", None)
    paragraphs = (module.__doc__ or "").split("\n\n")
    help_text = {"help": "\n\n".join(" ".join(each.split()) for each in paragraphs), "rich_help_panel": panel}
    if not hasattr(module, "COMMANDS"):
        made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        made.command(name, cls=Command, **SETTINGS, **help_text)(_flat(run))  # type: ignore[arg-type]
        return made
    own = type("Group", (Group,), {"package": module})
    alone = {"invoke_without_command": run is not None, "no_args_is_help": run is None}
    made = typer.Typer(
        name=name,
        cls=own,
        add_completion=False,
        pretty_exceptions_enable=False,
        **{**SETTINGS, **help_text, **alone, **settings},
    )
    made.callback()(_flat(run) if run else lambda: None)
    return made


def _flat(run: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one parameter for each option: a dataclass of options gives way to its fields."""
    parameters = inspect.signature(run).parameters.values()
    options: dict[str, Any] = {each.name: each.annotation for each in parameters if is_dataclass(each.annotation)}
    flat: list[inspect.Parameter] = []
    for each in parameters:
        if each.name in options:
            flat += [_parameter(field.name, field.type, field.default) for field in fields(options[each.name])]
        else:
            flat.append(_parameter(each.name, each.annotation, each.default))

    @wraps(run)
    def called(**given: Any) -> Any:
        for name, kind in options.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        return run(**given)

    called.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in flat}
    return called


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    given = default if default is not MISSING else empty
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=given, annotation=kind)
