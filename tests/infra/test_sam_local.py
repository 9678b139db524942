"""What SAM itself makes of the templates when it runs a function on one's machine."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.project import Project

TEMPLATES = ("template.yaml", "monitoring/template.yaml", "retraining/template.yaml")
ASK = """
import json, sys
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.local.lambdafn.env_vars import EnvironmentVariables
told = {}
for template in sys.argv[1:]:
    for function in SamFunctionProvider(SamLocalStackProvider.get_stacks(template)[0]).get_all():
        given = EnvironmentVariables(variables=(function.environment or {}).get("Variables", {})).resolve()
        told[function.name] = given
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def environments(root: Path) -> dict[str, dict[str, str]]:
    """What each function finds in its environment under `sam local invoke`, asked of SAM's own provider."""
    python = root / ".venv-sam" / "bin" / "python"
    if not python.exists():
        pytest.skip("the SAM CLI is not installed here: make setup")
    run = subprocess.run(
        [python, "-c", ASK, *TEMPLATES],
        cwd=root,
        env={**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told: dict[str, dict[str, str]] = json.loads(run.stdout)
    return told


def test_sam_gives_each_function_what_the_template_says(
    project: Project, environments: dict[str, dict[str, str]]
) -> None:
    """No variable is empty under `sam local invoke` whose parameter has a default."""
    for of in (project, project.of_monitoring(), project.of_retraining()):
        defaults = {name: each.get("Default") for name, each in of.template["Parameters"].items()}
        for function, body in of.resources("AWS::Serverless::Function").items():
            for name, value in body["Properties"].get("Environment", {}).get("Variables", {}).items():
                if isinstance(value, dict) and defaults.get(value.get("Ref", "")) not in (None, ""):
                    assert environments[function][name] == str(defaults[value["Ref"]]), f"{function}: {name}"


def test_no_default_is_a_float(project: Project) -> None:
    """A decimal is quoted in every template, so that YAML, SAM and CloudFormation read the same characters."""
    floats: list[Any] = [
        name
        for of in (project, project.of_monitoring(), project.of_retraining())
        for name, each in of.template["Parameters"].items()
        if isinstance(each.get("Default"), float)
    ]

    assert floats == []
