"""checkov over the templates as CloudFormation would deploy them."""

import copy
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle import foundation
from lifecycle.templates import parsed
from tests.infra import suppressions
from tests.infra.project import Json

# checkov exits with 0 when it could not read a file; a scan that saw less than this saw nothing.
FEWEST_PASSED = 60


@dataclass(frozen=True)
class Scan:
    """How much was seen, and what failed, by file."""

    passed: int
    resources: int
    unreadable: int
    failed: dict[str, set[tuple[str, str]]]


@pytest.fixture(scope="session")
def sagemaker() -> Json:
    """The template of SageMaker's side, which is plain CloudFormation."""
    return parsed(foundation.TEMPLATE.read_text("utf-8"))


@pytest.fixture(scope="session")
def scan(
    root: Path, transformed: Json, beside: dict[str, Json], sagemaker: Json, tmp_path_factory: pytest.TempPathFactory
) -> Scan:
    """One run over the templates and over one whose bucket is open."""
    checkov = root / ".venv-checkov" / "bin" / "checkov"
    if not checkov.exists():
        pytest.skip("checkov is not installed here: make .venv-checkov/.ready")
    folder = tmp_path_factory.mktemp("scan")
    (folder / "plain.json").write_text(json.dumps(transformed), "utf-8")
    (folder / "opened.json").write_text(json.dumps(_opened(transformed)), "utf-8")
    for name, template in beside.items():
        (folder / f"{name}.json").write_text(json.dumps(template), "utf-8")
    (folder / "sagemaker.json").write_text(json.dumps(sagemaker), "utf-8")
    files = sorted(path.name for path in folder.iterdir())
    command = [str(checkov), "-f", *files, "--framework", "cloudformation", "--skip-download"]

    run = subprocess.run(
        [*command, "--output", "json"],
        cwd=folder,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    report = json.loads(run.stdout)
    failed: dict[str, set[tuple[str, str]]] = {}
    for check in report["results"]["failed_checks"]:
        name = Path(check["file_path"]).stem
        failed.setdefault(name, set()).add((check["check_id"], check["resource"].split(".")[-1]))
    summary = report["summary"]
    return Scan(summary["passed"], summary["resource_count"], summary["parsing_errors"], failed)


def test_the_scan_saw_the_templates(scan: Scan, transformed: Json, beside: dict[str, Json], sagemaker: Json) -> None:
    """checkov read each file, every resource in them, and had enough to say."""
    scanned = (transformed, transformed, *beside.values(), sagemaker)
    assert scan.unreadable == 0
    assert scan.resources == sum(len(each["Resources"]) for each in scanned)
    assert scan.passed >= 4 * FEWEST_PASSED


@pytest.mark.parametrize(
    ("template", "suppressed"),
    [
        ("plain", suppressions.CHECKOV),
        ("monitoring", suppressions.MONITORING_CHECKOV),
        ("retraining", suppressions.RETRAINING_CHECKOV),
        ("reconciling", suppressions.RECONCILING_CHECKOV),
        ("backfilling", suppressions.BACKFILLING_CHECKOV),
        ("console", suppressions.CONSOLE_CHECKOV),
        ("sagemaker", suppressions.SAGEMAKER_CHECKOV),
    ],
)
def test_nothing_fails_that_is_not_listed(
    scan: Scan, template: str, suppressed: tuple[suppressions.Suppression, ...]
) -> None:
    """checkov fails exactly what suppressions.py gives a reason for: nothing more, and nothing less."""
    assert scan.failed[template] == suppressions.listed(suppressed)


def test_an_open_bucket_is_found(scan: Scan) -> None:
    """checkov finds a bucket without versions and without its public access block."""
    planted = scan.failed["opened"] - scan.failed["plain"]

    assert {rule for rule, resource in planted if resource == "UploadBucket"} >= {"CKV_AWS_21", "CKV_AWS_53"}


def _opened(template: Json) -> Json:
    opened = copy.deepcopy(template)
    bucket = opened["Resources"]["UploadBucket"]["Properties"]
    del bucket["VersioningConfiguration"]
    bucket["PublicAccessBlockConfiguration"]["BlockPublicAcls"] = False
    return opened
