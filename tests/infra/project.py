"""The project as plain data, so that a check can be shown a weakened copy of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lifecycle.templates import parsed

Json = dict[str, Any]

RETRAIN_MODEL = "retraining/statemachine/retrain_model.asl.json"
BACKFILL = "backfilling/statemachine/backfill.asl.json"
_KINDS = frozenset({".py", ".txt", ".in", ".json", ".yaml", ".yml", ".toml", ".md", ".html", ".js"})
_ROOMS = (
    "functions", "statemachine", "events", "training", "lifecycle", "monitoring", "retraining", "reconciling",
    "backfilling", "erasing", "console", "local", "cli", "requirements",
)  # fmt: skip
_FOLDERS = (*_ROOMS, "tests/unit", "docs/runbooks", ".github/workflows")
_PAGES = ("serving/Dockerfile", "template.yaml", "dashboard.yaml", "samconfig.toml", "pyproject.toml")
_LEFT_OUT = frozenset({"__pycache__", ".aws-sam"})
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Project:
    """template.yaml, the state machine, and the text of every file that a check reads, by its path."""

    template: Json
    machine: Json
    files: Mapping[str, str]
    # The templates in the rooms of these names: applications beside the first.
    monitoring: Json
    retraining: Json
    reconciling: Json
    backfilling: Json
    console: Json

    def resources(self, kind: str) -> Json:
        """The template's resources of a type, by logical id."""
        return {name: body for name, body in self.template["Resources"].items() if body["Type"] == kind}

    def properties(self, resource: str) -> Json:
        """The properties of one resource; empty if there is none of that name."""
        found: Json = self.template["Resources"].get(resource, {}).get("Properties", {})
        return found

    def of_monitoring(self) -> "Project":
        """The same project with monitoring's template in the place of the application's."""
        return replace(self, template=self.monitoring)

    def of_retraining(self) -> "Project":
        """The same project with retraining's template and state machine in the place of the application's."""
        return replace(self, template=self.retraining, machine=json.loads(self.files[RETRAIN_MODEL]))

    def of_reconciling(self) -> "Project":
        """The same project with reconciling's template in the place of the application's."""
        return replace(self, template=self.reconciling)

    def of_backfilling(self) -> "Project":
        """The same project with backfilling's template and state machine in the place of the application's."""
        return replace(self, template=self.backfilling, machine=json.loads(self.files[BACKFILL]))

    def of_console(self) -> "Project":
        """The same project with the page's template in the place of the application's."""
        return replace(self, template=self.console)

    def beside(self) -> "dict[str, Project]":
        """The applications beside the first, by their rooms."""
        return {
            "monitoring": self.of_monitoring(),
            "retraining": self.of_retraining(),
            "reconciling": self.of_reconciling(),
            "backfilling": self.of_backfilling(),
            "console": self.of_console(),
        }

    def tasks(self) -> Json:
        """The state machine's Task states, by name."""
        return {name: state for name, state in self.machine["States"].items() if state["Type"] == "Task"}

    def under(self, folder: str, suffix: str) -> Iterator[tuple[str, str]]:
        """Path and text of the files in a folder."""
        return ((path, text) for path, text in self.files.items() if path.startswith(folder) and path.endswith(suffix))


def read_project(root: Path) -> Project:
    """Read the checkout; caches and binaries are left out."""
    files = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in _paths(root)}
    return Project(
        template=parsed(files["template.yaml"]),
        machine=json.loads(files["statemachine/classify_vehicle.asl.json"]),
        files=files,
        monitoring=parsed(files["monitoring/template.yaml"]),
        retraining=parsed(files["retraining/template.yaml"]),
        reconciling=parsed(files["reconciling/template.yaml"]),
        backfilling=parsed(files["backfilling/template.yaml"]),
        console=parsed(files["console/template.yaml"]),
    )


def _paths(root: Path) -> Iterator[Path]:
    yield from (root / page for page in _PAGES)
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if _LEFT_OUT & set(path.parts) or path.is_symlink():
                continue
            if path.suffix in _KINDS and path.is_file() and path.stat().st_size <= _MAX_BYTES:
                yield path


def rendered(value: Any) -> str:
    """A reference as one short text: `Table.Arn`, `Bucket.Arn/*`, `Topic`."""
    match value:
        case {"Ref": name}:
            return str(name)
        case {"Fn::If": [_, one, other]}:
            return f"{rendered(one)} or {rendered(other)}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": [text, names]}:
            for name, inner in names.items():
                text = text.replace(f"${{{name}}}", rendered(inner))
            return rendered({"Fn::Sub": text})
        case {"Fn::Select": [_, inner]} | {"Fn::Split": [_, inner]}:
            return rendered(inner)
        case {"Fn::GetAtt": text} | {"Fn::Sub": text}:
            return str(text).replace("${", "").replace("}", "")
        case _:
            return str(value)


def as_list(value: Any) -> list[Any]:
    """What may stand alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]
