"""The model that comes with the checkout, and the card that describes it."""

from pathlib import Path

from training.artefact import load_model
from training.evaluation.scores import wilson

FOLDER = Path("training") / "model"


def test_the_endpoint_takes_it(root: Path) -> None:
    """The loader that the endpoint uses accepts the shipped artefact, and it is small enough for a checkout."""
    path = root / FOLDER / "model.tar.gz"

    model = load_model(path)

    assert model.manifest.sha256.startswith(model.manifest.version)
    assert path.stat().st_size <= 2_000_000


def test_the_card_describes_this_model(root: Path) -> None:
    """Version, hash, size, command and every count on the card are those of the artefact beside it."""
    card = (root / FOLDER / "CARD.md").read_text()
    path = root / FOLDER / "model.tar.gz"
    manifest = load_model(path).manifest.fields

    counts = [
        f"{share['hits']:,} of {share['n']:,}"
        for scores in manifest["metrics"].values()
        for share in (
            *scores["accuracy_by_label"].values(),
            *(scores[name] for name in scores if is_share(scores[name])),
        )
    ]

    assert len(counts) == 12
    for fact in (manifest["version"], manifest["sha256"], manifest["command"], f"{path.stat().st_size:,}", *counts):
        assert fact in card


def test_its_figures_carry_their_interval(root: Path) -> None:
    """Each share in the manifest states its counts and the interval that follows from them."""
    metrics = load_model(root / FOLDER / "model.tar.gz").manifest.fields["metrics"]

    for scores in metrics.values():
        for share in filter(is_share, scores.values()):
            assert (share["low"], share["high"]) == tuple(round(edge, 4) for edge in wilson(share["hits"], share["n"]))


def is_share(value: object) -> bool:
    return isinstance(value, dict) and "hits" in value
