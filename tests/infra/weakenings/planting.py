"""How a weakening is planted: a function that changes a copy of the project, or returns one with other files."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from tests.infra.project import Json, Project

Plant = Callable[[Project], Project | None]

WEAKENINGS: "list[Weakening]" = []


@dataclass(frozen=True)
class Weakening:
    """A change for the worse, and the check that must notice it."""

    name: str
    check: str
    plant: Plant


def weakens(check: str) -> Callable[[Plant], Plant]:
    """Put the decorated function among the weakenings; the named check must notice it."""

    def register(plant: Plant) -> Plant:
        WEAKENINGS.append(Weakening(plant.__name__, check, plant))
        return plant

    return register


def states(project: Project) -> Json:
    """The state machine's states."""
    found: Json = project.machine["States"]
    return found


def resources(project: Project) -> Json:
    """The template's resources."""
    found: Json = project.template["Resources"]
    return found


def statement(project: Project, role: str, policy: int = 0, number: int = 0) -> Json:
    """One statement of a role's policies."""
    found: Json = project.properties(role)["Policies"][policy]["PolicyDocument"]["Statement"][number]
    return found


def rewritten(project: Project, path: str, old: str, new: str) -> Project:
    """The project with other words in one file."""
    if old not in project.files[path]:
        raise LookupError(f"{path} no longer holds {old!r}")
    return with_file(project, path, project.files[path].replace(old, new))


def with_file(project: Project, path: str, text: str) -> Project:
    """The project with one file more, or with another text in it."""
    return dataclasses.replace(project, files={**project.files, path: text})


def without_file(project: Project, path: str) -> Project:
    """The project with one file less."""
    return dataclasses.replace(project, files={name: text for name, text in project.files.items() if name != path})
