"""What the documents say is what the project does."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from vehiclevision.errors import Reason

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
REGISTRY_HOSTS = re.compile("|".join(("py" + r"pi\.(org|python)", "pythonhos" + "ted", r"registry\.npm" + "js")))


class Template(yaml.SafeLoader):
    """Reads a CloudFormation template without resolving its functions."""


Template.add_multi_constructor("!", lambda loader, suffix, node: None)


def parameters(root: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.load((root / "template.yaml").read_text(), Template)["Parameters"]  # noqa: S506
    return found


def tracked(root: Path) -> list[Path]:
    """The files of the project as git knows them, or all that are not build results."""
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [root / line for line in listed.stdout.splitlines() if (root / line).is_file()]
    return [
        p
        for p in root.rglob("*")
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(root).parts)
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(root: Path, document: str) -> None:
    """Each relative link and picture in the documents exists."""
    links = LINK.findall((root / document).read_text())

    assert [link for link in links if not (root / link).exists()] == []


def test_every_make_target_that_is_named_exists(root: Path) -> None:
    """`make X` in a document is a target of the Makefile, and `make` alone lists every one with a sentence."""
    listing = subprocess.run(["make"], cwd=root, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make ([a-z-]+)", listing, re.MULTILINE))
    text = "\n".join((root / document).read_text() for document in DOCUMENTS)

    assert set(re.findall(r"\bmake ([a-z-]+)\b(?=[`\s])", re.sub(r"[A-Za-z] make ", "", text))) - targets <= set()
    assert {"setup", "demo", "test", "check", "soak", "bench"} <= targets


def test_every_command_that_is_named_exists(root: Path) -> None:
    """Each `vehiclevision X` in the README is a command of the program."""
    text = (root / "README.md").read_text()
    named = set(re.findall(r"\bvehiclevision ([a-z]{2,})\b(?= |`|\n)", text)) - {"command"}
    program = root / ".venv/bin/vehiclevision"
    if not program.exists():
        pytest.skip("the command is not installed; `make setup` does it")
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout

    assert {"up", "down", "drop", "results", "logs", "start"} <= named
    assert [name for name in named if name not in help_text] == []


def test_every_parameter_is_documented_with_its_default(root: Path) -> None:
    """The README's table of parameters is the template's."""
    rows = re.findall(r"^\| `([A-Z]\w+)` \| `?([^`|]+?)`? \|", (root / "README.md").read_text(), re.MULTILINE)
    expected = {name: str(value.get("Default", "")) or "none" for name, value in parameters(root).items()}

    assert dict(rows) == expected


def test_every_reason_for_a_refusal_is_documented(root: Path) -> None:
    """An uploader finds each reason code in the README."""
    text = (root / "README.md").read_text()

    assert [reason for reason in Reason if f"`{reason.value}`" not in text] == []


def test_the_limits_in_the_documents_are_those_of_the_code(root: Path) -> None:
    """10 MiB and 16 megapixels stand in README, decision and code alike."""
    from vehiclevision.image_gate import Limits

    limits = Limits()
    for document in ("README.md", "docs/decisions/0003-image-gate.md"):
        text = (root / document).read_text()
        assert f"{limits.max_bytes // 1024**2} MiB" in text
        assert f"{limits.max_pixels // 1_000_000} megapixels" in text


def test_every_decision_has_its_parts(root: Path) -> None:
    """A record says context, decision, consequences and what confirms it; numbers run without a gap."""
    records = sorted((root / "docs/decisions").glob("*.md"))

    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text()
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Confirmed by**"):
            assert part in text, (record.name, part)


def test_the_model_card_and_the_manifest_agree(root: Path) -> None:
    """The figures in the card are those that the artefact itself carries."""
    import io
    import tarfile

    with tarfile.open(root / "training/model/model.tar.gz") as archive:
        member = archive.extractfile("manifest.json")
        assert member is not None
        manifest = json.load(io.TextIOWrapper(member))
    card = (root / "training/model/CARD.md").read_text()

    assert manifest["version"] in card
    assert manifest["labels"] == ["bicycle", "motorcycle"]


def test_no_file_names_a_registry_host_or_a_download_address(root: Path) -> None:
    """Lock files carry versions and hashes only; no file says where packages come from."""
    named = [
        path.relative_to(root)
        for path in tracked(root)
        if path.suffix not in (".gz", ".png") and REGISTRY_HOSTS.search(path.read_text(errors="ignore"))
    ]

    assert named == []


def test_every_lock_is_pinned_by_hash(root: Path) -> None:
    """Each requirement in each lock has a version and at least one hash, and each .in file has its lock."""
    locks = [*root.glob("requirements/*.txt"), root / "functions/requirements.txt"]
    sources = [*root.glob("requirements/*.in"), root / "functions/requirements.in"]

    assert sorted(lock.with_suffix(".in") for lock in locks) == sorted(sources)
    for lock in locks:
        entries = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)
        requirements = [entry for entry in entries if entry.strip() and not entry.startswith("#")]
        assert requirements
        for requirement in requirements:
            assert re.match(r"[a-z0-9._-]+(\[[a-z0-9, -]+\])?==\S+", requirement), (lock.name, requirement[:60])
            assert "--hash=sha256:" in requirement, (lock.name, requirement[:60])


def test_the_python_versions_agree(root: Path) -> None:
    """pyproject, template and README promise the same Pythons."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    runtimes = parameters(root)["PythonRuntime"]["AllowedValues"]

    assert project["requires-python"] == ">=3.11,<3.15"
    assert runtimes == [f"python3.{minor}" for minor in range(11, 15)]
    assert "Python 3.11 to 3.14" in (root / "README.md").read_text()
