"""cfn-lint with the serverless rules, and SAM's own validation."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.infra import suppressions
from tests.infra.cloudformation import to_cloudformation
from tests.infra.project import Json, Project

Findings = Mapping[str, set[tuple[str, str]]]


@pytest.fixture(scope="session")
def findings(
    root: Path, project: Project, transformed: Json, beside: dict[str, Json], tmp_path_factory: pytest.TempPathFactory
) -> Findings:
    """What cfn-lint finds in the sources, in the transformed templates, and in one whose workflow is broken."""
    folder = tmp_path_factory.mktemp("lint")
    broken = copy.deepcopy(project)
    del broken.machine["States"]["Serialize image"]["Resource"]
    paths = {
        "source": root / "template.yaml",
        "transformed": folder / "plain.json",
        "monitoring": root / "monitoring" / "template.yaml",
        "monitoring transformed": folder / "monitoring.json",
        "retraining": root / "retraining" / "template.yaml",
        "retraining transformed": folder / "retraining.json",
        "reconciling": root / "reconciling" / "template.yaml",
        "reconciling transformed": folder / "reconciling.json",
        "backfilling": root / "backfilling" / "template.yaml",
        "backfilling transformed": folder / "backfilling.json",
        "console": root / "console" / "template.yaml",
        "console transformed": folder / "console.json",
        "broken": folder / "broken.json",
    }
    paths["transformed"].write_text(json.dumps(transformed), "utf-8")
    for room, template in beside.items():
        paths[f"{room} transformed"].write_text(json.dumps(template), "utf-8")
    paths["broken"].write_text(json.dumps(to_cloudformation(broken)), "utf-8")
    found = _cfn_lint(folder, list(paths.values()))
    return {name: found.get(str(path), set()) for name, path in paths.items()}


@pytest.mark.parametrize(
    ("template", "suppressed"),
    [
        ("source", suppressions.CFN_LINT),
        ("transformed", suppressions.CFN_LINT),
        ("monitoring", suppressions.MONITORING_CFN_LINT),
        ("monitoring transformed", suppressions.MONITORING_CFN_LINT),
        ("retraining", suppressions.RETRAINING_CFN_LINT),
        ("retraining transformed", suppressions.RETRAINING_CFN_LINT),
        ("reconciling", suppressions.RECONCILING_CFN_LINT),
        ("reconciling transformed", suppressions.RECONCILING_CFN_LINT),
        ("backfilling", suppressions.BACKFILLING_CFN_LINT),
        ("backfilling transformed", suppressions.BACKFILLING_TRANSFORMED_CFN_LINT),
        ("console", suppressions.CONSOLE_CFN_LINT),
        ("console transformed", suppressions.CONSOLE_CFN_LINT),
    ],
)
def test_nothing_is_found_that_is_not_listed(
    findings: Findings, template: str, suppressed: tuple[suppressions.Suppression, ...]
) -> None:
    """cfn-lint finds exactly what suppressions.py gives a reason for: nothing more, and nothing less."""
    assert findings[template] == suppressions.listed(suppressed)


def test_the_workflow_is_linted_too(findings: Findings) -> None:
    """cfn-lint holds the state machine against the schema of the States Language."""
    planted = findings["broken"] - findings["transformed"]

    assert {resource for _, resource in planted} == {
        "ClassifyVehicleStateMachine",
        "ClassifyVehicleExpressStateMachine",
    }


# What SAM's validation asks of the others cfn-lint asks above.
@pytest.mark.parametrize(
    "folder",
    [
        ".",
        *(
            pytest.param(each, marks=pytest.mark.soak)
            for each in ("monitoring", "retraining", "reconciling", "backfilling", "console")
        ),
    ],
)
def test_sam_accepts_the_template(root: Path, folder: str) -> None:
    """`sam validate --lint` passes."""
    sam = root / ".venv-sam" / "bin" / "sam"
    if not sam.exists():
        pytest.skip("the SAM CLI is not installed here: make setup")
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}

    run = subprocess.run(
        [sam, "validate", "--lint"],
        cwd=root / folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def _cfn_lint(folder: Path, templates: list[Path]) -> dict[str, set[tuple[str, str]]]:
    linter = Path(sys.executable).with_name("cfn-lint")
    command = [str(linter), "--format", "json", "-a", "cfn_lint_serverless.rules", "-t"]
    run = subprocess.run(
        [*command, *map(str, templates)], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    found: dict[str, set[tuple[str, str]]] = {}
    for finding in json.loads(run.stdout):
        path = finding["Location"]["Path"] or ["?", "?"]
        found.setdefault(finding["Filename"], set()).add((finding["Rule"]["Id"], path[1]))
    return found
