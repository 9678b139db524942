"""What a training run is made of: every number that, with the data and the seed, decides the model."""

from dataclasses import asdict, dataclass, replace
from typing import Final

from training.network import DEFAULT_BACKBONE
from training.published import PUBLISHED

SINGLE_PRECISION: Final = "float32"
INTEGERS: Final = "int8"


@dataclass(frozen=True)
class Recipe:
    """The default is the shipped model's."""

    seed: int = 1
    backbone: str = DEFAULT_BACKBONE
    start: str = PUBLISHED
    # Looks at each picture, the first as it is. A set of few pictures gets more of them, up to most_looks.
    looks: int = 4
    looks_aimed_at: int = 10_000
    most_looks: int = 16
    # Of the pictures that show no label, at most so many of each set.
    most_others: int = 12_000
    # How strongly the head is held to what ImageNet's own head says of the labels.
    pull: float = 1e-3
    # Tuning of the late layers; none leaves the network as published, with a head of our own.
    steps: int = 4_000
    batch: int = 32
    peak_learning_rate: float = 4e-4
    warm_up_share: float = 0.04
    weight_decay: float = 0.02
    dropout: float = 0.2
    label_smoothing: float = 0.02
    # How strongly the tuned network is held to what the published one says of ImageNet's 1,000 classes.
    memory: float = 1.0
    average_decay: float = 0.995
    weights: str = INTEGERS
    threads: int = 2

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return asdict(self)


def onward_recipe(recipe: Recipe) -> Recipe:
    """A head fitted anew on a champion's own features: its head is trusted, and each picture is seen once, as it is."""
    return replace(recipe, looks=1, most_looks=1, most_others=3_000, pull=0.1, steps=0)


def quick_recipe(recipe: Recipe) -> Recipe:
    """A head of our own on the network as published: minutes, on a processor."""
    return replace(recipe, looks=2, looks_aimed_at=2_000, most_looks=4, most_others=3_000, steps=0)
