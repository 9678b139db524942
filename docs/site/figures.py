"""The README's row about the model, written from the manifest that the model itself carries.

make figures
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.artefact import MANIFEST_MEMBER, parse_manifest, read_members

ROW = re.compile(r"^\| the model that ships \|.*\n", re.MULTILINE)


def manifest(root: Path) -> Mapping[str, Any]:
    """What the shipped model says of itself."""
    members = read_members(root / "training/model/model.tar.gz")
    return parse_manifest(members[MANIFEST_MEMBER]).fields


def model_row(root: Path) -> str:
    """The row: vehicles named rightly, how many pass the threshold, and how many of those are right."""
    photos = manifest(root)["metrics"]["photos"]
    right = f"{photos['accuracy_count']} of {photos['n']} vehicles on photos it never saw are named rightly"
    low, high = 100 * photos["accuracy_covered_low"], 100 * photos["accuracy_covered_high"]
    sure = (
        f"it is sure of {photos['coverage_count']}, "
        f"and right about {100 * photos['accuracy_covered']:.1f} % [{low:.1f}, {high:.1f}] of those"
    )
    return f"| the model that ships | {right}; {sure} | [its card](training/model/CARD.md) |\n"


def with_model_row(readme: str, row: str) -> str:
    """The README with this row in the place of the one about the shipped model."""
    return ROW.sub(lambda _: row, readme)


def main() -> None:
    """Write the row into README.md."""
    root = Path(__file__).resolve().parents[2]
    readme = root / "README.md"
    readme.write_text(with_model_row(readme.read_text("utf-8"), model_row(root)), "utf-8")


if __name__ == "__main__":
    main()
