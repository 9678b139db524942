"""What the documents say is what the project does."""

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs.site.figures import manifest, model_row, with_model_row
from docs.site.sources import templates, tracked
from vehiclevision.errors import Reason

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/guide/*.md", "docs/runbooks/*.md")
README_LINES = 120
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
REGISTRY_HOSTS = re.compile("|".join(("py" + r"pi\.(org|python)", "pythonhos" + "ted", r"registry\.npm" + "js")))


def documents(root: Path) -> list[Path]:
    """The pages that people read first."""
    return [path for pattern in DOCUMENTS for path in sorted(root.glob(pattern))]


def parameters(root: Path) -> dict[str, dict[str, Any]]:
    """The application's own parameters."""
    application: dict[str, dict[str, Any]] = dict(templates(root))["template.yaml"]["Parameters"]
    return application


def test_the_readme_is_short(root: Path) -> None:
    """The front door has at most 120 lines; the rest is behind it."""
    assert len((root / "README.md").read_text().splitlines()) <= README_LINES


def test_the_repository_of_applications_hears_of_this_version(root: Path) -> None:
    """What `sam publish` says of the template is the project's own version and licence."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    told = dict(templates(root))["template.yaml"]["Metadata"]["AWS::ServerlessRepo::Application"]

    assert (told["SemanticVersion"], told["SpdxLicenseId"]) == (project["version"], project["license"])


def test_every_link_leads_somewhere(root: Path) -> None:
    """Each relative link and picture in the documents exists."""
    pages = documents(root)

    assert len(pages) > len(DOCUMENTS)
    for page in pages:
        links = LINK.findall(page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name


def test_every_file_and_test_that_is_cited_exists(root: Path) -> None:
    """Whatever is written of as a file, a folder or a test of ours is one, by its path or a test's name alone."""
    known = [path.relative_to(root).as_posix() for path in tracked(root, "*")]
    rooms = "|".join({re.escape(path.split("/")[0]) for path in known if "/" in path})
    # What a release did with files is told of them as they were then.
    pages = [page for page in tracked(root, "*.md") if page.name != "CHANGELOG.md"]
    cited = {
        (page.name, name)
        for page in pages
        for name in re.findall(rf"`((?:{rooms})/[^`\s]*|test_[^`\s]*\.py)`", page.read_text("utf-8"))
    }

    assert len(cited) > 100
    assert [each for each in sorted(cited) if not any(_names(each[1], path) for path in known)] == []


def _names(name: str, path: str) -> bool:
    """Whether a path is what a citation names: itself, something in the folder, or one of several by a star."""
    return path.startswith(f"{name.rstrip('/')}/") or fnmatch.fnmatchcase(path, name) or path.endswith(f"/{name}")


def test_every_make_target_that_is_named_exists(root: Path) -> None:
    """`make X` in a document is a target of the Makefile, and `make` alone lists every one with a sentence."""
    listing = subprocess.run(["make"], cwd=root, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make ([a-z-]+)", listing, re.MULTILINE))
    text = "\n".join(page.read_text() for page in documents(root))

    assert set(re.findall(r"(?:`|^)make ([a-z-]+)\b", text, re.MULTILINE)) - targets == set()
    assert {"setup", "demo", "test", "quick", "check", "docs", "soak", "bench"} <= targets


def test_every_command_that_is_named_exists(root: Path) -> None:
    """Each `vehiclevision X` in README and guides is a command of the program."""
    text = "\n".join(page.read_text() for page in documents(root))
    named = set(re.findall(r"bin/vehiclevision ([a-z]{2,})\b(?= |`|\n)", text))
    program = root / ".venv/bin/vehiclevision"
    if not program.exists():
        pytest.skip("the command is not installed; `make setup` does it")
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout

    assert {"up", "down", "drop", "results", "logs", "report", "review"} <= named
    assert [name for name in named if name not in help_text] == []


def test_the_folders_that_the_readme_lists_are_those_that_exist(root: Path) -> None:
    """Each folder in the README's tree exists, and each folder that holds code is in it."""
    tree = set(re.findall(r"(?:^|  )([a-z]+)/(?=  )", (root / "README.md").read_text(), re.MULTILINE))
    with_code = {path.relative_to(root).parts[0] for path in tracked(root, "*/*.py")}

    assert [name for name in tree if not (root / name).is_dir()] == []
    assert with_code - tree == set()


def test_every_reason_for_a_refusal_is_documented(root: Path) -> None:
    """An uploader finds each reason code in the guide to what goes wrong."""
    text = (root / "docs/guide/operations.md").read_text()

    assert [reason.value for reason in Reason if f"`{reason.value}`" not in text] == []


def test_the_limits_in_the_documents_are_those_of_the_code(root: Path) -> None:
    """The largest file and the most pixels stand in guide, decision and code alike."""
    from vehiclevision.image_gate import Limits

    limits = Limits()
    for document in ("docs/guide/operations.md", "docs/decisions/0003-image-gate.md"):
        text = (root / document).read_text()
        assert f"{limits.max_bytes // 1024**2} MiB" in text
        assert f"{limits.max_pixels // 1_000_000} megapixels" in text


def test_the_formats_in_the_documents_are_those_that_are_taken(root: Path) -> None:
    """Whoever is told that a photo was refused finds what to send instead."""
    from vehiclevision.image_gate import TAKEN

    texts = [(root / "docs" / name).read_text() for name in ("guide/operations.md", "runbooks/refused-share.md")]

    assert [name for name in TAKEN if not all(name in text for text in texts)] == []


def test_every_decision_has_its_parts(root: Path) -> None:
    """A record says context, decision, consequences and what confirms it; numbers run without a gap."""
    records = sorted((root / "docs/decisions").glob("*.md"))

    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text()
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Confirmed by**"):
            assert part in text, (record.name, part)


def test_the_model_card_the_readme_and_the_threshold_are_the_shipped_models(root: Path) -> None:
    """Card, README and template say what the artefact says of itself; `make figures` writes the README."""
    shipped = manifest(root)
    readme = (root / "README.md").read_text()

    assert shipped["version"] in (root / "training/model/CARD.md").read_text()
    assert model_row(root) in readme
    assert with_model_row(readme, model_row(root)) == readme
    assert float(parameters(root)["ConfidenceThreshold"]["Default"]) == shipped["threshold"]


def test_the_newest_release_in_the_changelog_is_the_projects_version(root: Path) -> None:
    """pyproject's version heads the releases of the CHANGELOG, each of which has a date, the newest first."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## (.+)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = [re.fullmatch(r"(\d+\.\d+\.\d+) – (\d{4}-\d{2}-\d{2})", heading) for heading in headings[1:]]

    assert headings[0] == "Unreleased"
    assert all(releases)
    numbers = [tuple(map(int, release[1].split("."))) for release in releases if release]
    assert numbers == sorted(numbers, reverse=True)
    assert releases[0] is not None
    assert releases[0][1] == version


def test_no_file_names_a_registry_host_or_a_download_address(root: Path) -> None:
    """Lock files carry versions and hashes only; no file says where packages come from."""
    named = [
        path.relative_to(root)
        for path in tracked(root, "*")
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
