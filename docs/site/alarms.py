"""The page of alarms: each alarm of each template, with its runbook."""

from pathlib import Path
from typing import Any

from docs.site.sources import cell, templates

PAGE = """# Alarms and their runbooks

Every alarm of every template. `AlarmEmail` is who hears of them.

| alarm | what it means | runbook |
|---|---|---|
"""


def page(root: Path) -> str:
    """A row an alarm, then the runbooks as pages below this one."""
    alarms = [
        body["Properties"]
        for _, template in templates(root)
        for body in template["Resources"].values()
        if body["Type"] == "AWS::CloudWatch::Alarm"
    ]
    rows = "".join(_row(alarm) for alarm in alarms)
    return f"{PAGE}{rows}\n```{{toctree}}\n:hidden:\n:glob:\n../runbooks/*\n```\n"


def _row(alarm: dict[str, Any]) -> str:
    meaning, _, runbook = str(alarm["AlarmDescription"]).partition(" Runbook docs/runbooks/")
    name = str(alarm["AlarmName"]["Fn::Sub"]).removeprefix("${AWS::StackName}-").removeprefix("${Application}-")
    return f"| *{name}* | {cell(meaning)} | [{runbook.removesuffix('.md')}](../runbooks/{runbook}) |\n"
