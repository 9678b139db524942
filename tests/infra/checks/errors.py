"""Which errors there are, which of them a retry can help, and which function each can leave."""

import ast
import re
from dataclasses import dataclass

from tests.infra.project import Project

_ROOT = "VehicleVisionError"
_PACKAGE = "functions/vehiclevision"


@dataclass(frozen=True)
class RaisedErrors:
    """The leaves of the tree in errors.py, in its two halves."""

    all: frozenset[str]
    retriable: frozenset[str]
    final: frozenset[str]


def raised_errors(project: Project) -> RaisedErrors:
    """The classes of errors.py, split as its docstring splits them."""
    tree = ast.parse(project.files[f"{_PACKAGE}/errors.py"])
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    ours = frozenset(node.name for node in classes if any(ast.unparse(base) == _ROOT for base in node.bases))
    final, _, retriable = (ast.get_docstring(tree) or "").partition("retrying may help")
    return RaisedErrors(ours, ours & _words(retriable), ours & _words(final))


def errors_are_drawn_in_the_tree(project: Project) -> list[str]:
    """errors.py draws each of its errors in exactly one half of its docstring's tree."""
    errors = raised_errors(project)
    undrawn = errors.all - errors.retriable - errors.final
    return [f"{name} is not in the tree" for name in sorted(undrawn)] + [
        f"{name} is in both halves of the tree" for name in sorted(errors.retriable & errors.final)
    ]


def left_by(project: Project, function: str) -> set[str]:
    """The errors named in any module that a function's entry point loads: at least those that can leave it."""
    seen: set[str] = set()
    waiting = [f"functions/{function}/app.py"]
    names: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or path not in project.files or path.endswith("/errors.py"):
            continue
        seen.add(path)
        tree = ast.parse(project.files[path])
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        waiting += [f"{_PACKAGE}/{module}.py" for module in _modules(tree)]
    return names & raised_errors(project).all


def _modules(tree: ast.Module) -> set[str]:
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "vehiclevision":
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vehiclevision."):
            modules.add((node.module or "").removeprefix("vehiclevision."))
    return modules


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
