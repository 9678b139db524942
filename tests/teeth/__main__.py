"""Take out each defence, see that it is noticed, and write the page."""

import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from docs.site.sources import tracked
from tests.teeth.page import HISTORIES, INFRA, page
from tests.teeth.planted import TEETH, Tooth

ROOT = Path(__file__).resolve().parents[2]
FAILED = 1  # what pytest ends with when a test failed; other faults have other numbers


def main() -> int:
    """1 if a loss went unnoticed."""
    unnoticed = [] if _tested(ROOT, INFRA, HISTORIES) == 0 else [INFRA, HISTORIES]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for path in tracked(ROOT, "*"):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
        tests = sorted({tooth.test for tooth in TEETH})
        if _tested(copy, *tests) != 0:
            raise SystemExit("A test fails with all defences in place.")
        unnoticed += [tooth.lost for tooth in TEETH if not _noticed(copy, tooth)]
    for name in unnoticed:
        print(f"unnoticed: {name}")
    if not unnoticed:
        (ROOT / "docs/teeth.md").write_text(page(datetime.now(UTC).date()), "utf-8")
    return int(bool(unnoticed))


def _noticed(copy: Path, tooth: Tooth) -> bool:
    file = copy / tooth.file
    whole = file.read_text("utf-8")
    file.write_text(whole.replace(tooth.words, tooth.instead), "utf-8")
    try:
        noticed = _tested(copy, tooth.test) == FAILED
    finally:
        file.write_text(whole, "utf-8")
    print(f"{'noticed' if noticed else 'UNNOTICED'}: {tooth.lost}", flush=True)
    return noticed


def _tested(root: Path, *names: str) -> int:
    arguments = ["-q", "-x", "-p", "no:cacheprovider", *names]
    run = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=root, capture_output=True, check=False)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
