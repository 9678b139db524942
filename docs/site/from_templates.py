"""The pages that are made from the templates: each application's parameters, and the alarms with their runbooks."""

from pathlib import Path
from typing import Any

from docs.site.sources import cell, templates

PARAMETERS = """# Parameters

What each application can be told when it is deployed, from its template.
"""
ALARMS = """# Alarms and their runbooks

Every alarm of every template. `AlarmEmail` is who hears of them.

| alarm | what it means | runbook |
|---|---|---|
"""


def parameters(root: Path) -> str:
    """A table a template, in the template's own order."""
    sections = [_section(path, template) for path, template in templates(root) if template.get("Parameters")]
    return PARAMETERS + "".join(sections)


def _section(path: str, template: dict[str, Any]) -> str:
    rows = "".join(_parameter(name, body) for name, body in template["Parameters"].items())
    head = f"\n## {path}\n\n{template['Description'].strip()}\n\n"
    return f"{head}| parameter | default | what it is |\n|---|---|---|\n{rows}"


def _parameter(name: str, body: dict[str, Any]) -> str:
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


def alarms(root: Path) -> str:
    """A row an alarm, then the runbooks as pages below this one."""
    found = [
        body["Properties"]
        for _, template in templates(root)
        for body in template["Resources"].values()
        if body["Type"] == "AWS::CloudWatch::Alarm"
    ]
    rows = "".join(_alarm(alarm) for alarm in found)
    return f"{ALARMS}{rows}\n```{{toctree}}\n:hidden:\n:glob:\n../runbooks/*\n```\n"


def _alarm(alarm: dict[str, Any]) -> str:
    meaning, _, runbook = str(alarm["AlarmDescription"]).partition(" Runbook docs/runbooks/")
    name = str(alarm["AlarmName"]["Fn::Sub"]).removeprefix("${AWS::StackName}-").removeprefix("${Application}-")
    return f"| *{name}* | {cell(meaning)} | [{runbook.removesuffix('.md')}](../runbooks/{runbook}) |\n"
