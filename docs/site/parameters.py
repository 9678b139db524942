"""The page of parameters: each application's, from its template."""

from pathlib import Path
from typing import Any

from docs.site.sources import cell, templates

PAGE = """# Parameters

What each application can be told when it is deployed, from its template.
"""


def page(root: Path) -> str:
    """A table a template, in the template's own order."""
    sections = [_section(path, template) for path, template in templates(root) if template.get("Parameters")]
    return PAGE + "".join(sections)


def _section(path: str, template: dict[str, Any]) -> str:
    rows = "".join(_row(name, body) for name, body in template["Parameters"].items())
    head = f"\n## {path}\n\n{template['Description'].strip()}\n\n"
    return f"{head}| parameter | default | what it is |\n|---|---|---|\n{rows}"


def _row(name: str, body: dict[str, Any]) -> str:
    default = f"`{cell(body['Default'])}`" if body.get("Default", "") != "" else "none"
    if "Default" not in body:
        default = "given by the command that deploys it"
    return f"| `{name}` | {default} | {cell(body.get('Description', ''))}{_bounds(body)} |\n"


def _bounds(body: dict[str, Any]) -> str:
    if "AllowedValues" in body:
        return " One of " + ", ".join(f"`{value}`" for value in body["AllowedValues"]) + "."
    if "MinValue" in body and "MaxValue" in body:
        return f" From {body['MinValue']} to {body['MaxValue']}."
    return ""
