"""Networks and looks that take seconds: random weights, few pictures."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.data.pictures import LabelledImages
from training.features import Looks, look, plan
from training.network import Network, create
from training.published import RANDOM
from training.recipe import Recipe

STAGED = "tf_efficientnet_lite0"
TINY = Recipe(
    backbone=STAGED, start=RANDOM, looks=1, looks_aimed_at=1, most_others=8, steps=4, batch=4, memory=0.5, threads=1
)


def network(name: str = STAGED, seed: int = 5) -> tuple[Network, nn.Module]:
    """A network with random weights, and ImageNet's head that came with them."""
    torch.manual_seed(seed)
    backbone = create(name, pretrained=False)
    return Network(backbone).eval(), backbone.get_classifier()


def few(images: LabelledImages, each: int = 4) -> np.ndarray:
    """The first pictures of every class."""
    return np.concatenate([np.flatnonzero(images.classes == one)[:each] for one in np.unique(images.classes)])


def looks(images: LabelledImages, folder: Path, recipe: Recipe = TINY) -> Looks:
    """What a random network keeps of a few pictures."""
    model, _ = network()
    return look(model, images, plan(images, few(images), recipe), folder, recipe, keep=True)
