"""checkov over the template as CloudFormation would deploy it."""

import copy
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

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
def scan(root: Path, transformed: Json, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """One run over the template and over one whose bucket is open."""
    checkov = root / ".venv-checkov" / "bin" / "checkov"
    if not checkov.exists():
        pytest.skip("checkov is not installed here: make .venv-checkov/.ready")
    folder = tmp_path_factory.mktemp("scan")
    (folder / "plain.json").write_text(json.dumps(transformed), "utf-8")
    (folder / "opened.json").write_text(json.dumps(_opened(transformed)), "utf-8")
    command = [str(checkov), "-f", "plain.json", "opened.json", "--framework", "cloudformation", "--skip-download"]

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


def test_the_scan_saw_the_template(scan: Scan, transformed: Json) -> None:
    """checkov read both files, every resource in them, and had enough to say."""
    assert scan.unreadable == 0
    assert scan.resources == 2 * len(transformed["Resources"])
    assert scan.passed >= 2 * FEWEST_PASSED


def test_nothing_fails_that_is_not_listed(scan: Scan) -> None:
    """checkov fails exactly what suppressions.py gives a reason for: nothing more, and nothing less."""
    expected = suppressions.listed(suppressions.CHECKOV)

    assert scan.failed["plain"] == expected


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
