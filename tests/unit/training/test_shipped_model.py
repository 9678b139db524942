"""The model that comes with the checkout, and the card that describes it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from training.artefact import load_model
from training.evaluation.scores import wilson
from training.session import milliseconds_per_image

FOLDER = Path("training") / "model"
# Shares of the manifest, by what they are shares of.
SHARES = {
    "accuracy": "n",
    "coverage": "n",
    "accuracy_covered": "covered_n",
    "neither_passed": "neither_n",
}


class Template(yaml.SafeLoader):
    """Reads a CloudFormation template without resolving its functions."""


Template.add_multi_constructor("!", lambda loader, suffix, node: None)


@pytest.fixture
def metrics(root: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load_model(root / FOLDER / "model.tar.gz").manifest.fields["metrics"]
    return found


def test_the_endpoint_takes_it(root: Path) -> None:
    """The loader that the endpoint uses accepts the shipped artefact, and it is small enough for a checkout."""
    path = root / FOLDER / "model.tar.gz"

    model = load_model(path)

    assert model.manifest.sha256.startswith(model.manifest.version)
    assert path.stat().st_size <= 12_000_000
    # Ten milliseconds on a free core, and ample room for one that is not free.
    assert milliseconds_per_image(model.session) < 100


def test_the_card_describes_this_model(root: Path, metrics: dict[str, dict[str, Any]]) -> None:
    """Version, hash, size, threshold, command and every count on the card are those of the artefact beside it."""
    card = (root / FOLDER / "CARD.md").read_text()
    path = root / FOLDER / "model.tar.gz"
    manifest = load_model(path).manifest

    counts = [
        f"{found[f'{name}_count']:,} of {found[of]:,}" for found in metrics.values() for name, of in SHARES.items()
    ]
    labels = [
        f"{found['accuracy_count']:,} of {found['n']:,}"
        for each in metrics.values()
        for found in each["labels"].values()
    ]
    facts = (
        manifest.version,
        manifest.sha256,
        manifest.fields["command"],
        f"{path.stat().st_size:,}",
        f"{manifest.threshold}",
    )

    assert set(metrics) == {"validation", "validation cifar-100-binary", "validation photos_learn", "photos"}
    assert [fact for fact in (*facts, *counts, *labels) if fact not in card] == []


def test_its_figures_carry_their_interval(metrics: dict[str, dict[str, Any]]) -> None:
    """Each share in the manifest states its counts and the interval that follows from them."""
    for found in metrics.values():
        for name, of in SHARES.items():
            edges = (found[f"{name}_low"], found[f"{name}_high"])
            assert edges == tuple(round(edge, 6) for edge in wilson(found[f"{name}_count"], found[of]))


def test_its_threshold_is_the_one_that_is_deployed(root: Path) -> None:
    """The template's default is the threshold that costs least with this model."""
    template = yaml.load((root / "template.yaml").read_text(), Template)  # noqa: S506
    default = template["Parameters"]["ConfidenceThreshold"]["Default"]

    assert float(default) == load_model(root / FOLDER / "model.tar.gz").manifest.threshold
