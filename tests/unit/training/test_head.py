"""The head on features: convex, balanced, held to what ImageNet says."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from training.features import Looks
from training.head import balance, fit_head
from training.network import ANSWERS
from vehiclevision.labels import LABELS

WIDTH = 12


def looks(counts: tuple[int, ...], seed: int = 0) -> Looks:
    """Features that lie around a place of their own for each answer."""
    draw = np.random.default_rng(seed)
    places = np.random.default_rng(9).normal(size=(ANSWERS, WIDTH)) * 2
    classes = np.repeat(np.arange(ANSWERS), counts)
    features = (places[classes] + draw.normal(size=(len(classes), WIDTH))).astype(np.float16)
    return Looks(classes, np.ones(len(classes)), features, None)


def test_it_tells_apart_what_can_be_told_apart() -> None:
    """New pictures of the same kinds are named rightly."""
    head = fit_head([looks((80, 80, 80))], [1.0], torch.zeros(ANSWERS, WIDTH), pull=1e-4)

    unseen = looks((50, 50, 50), seed=1)
    answers = torch.from_numpy(unseen.features).float() @ head.weight.T + head.bias

    assert (answers.argmax(dim=1).numpy() == unseen.classes).mean() > 0.95


def test_labels_weigh_as_much_as_all_else_however_many_there_are() -> None:
    """One picture in fifty may show a vehicle: together they count as much as the others."""
    some = looks((10, 30, 400))

    weights = balance(some)

    of_labels = weights[some.classes < len(LABELS)].sum()
    assert of_labels == pytest.approx(0.5)
    assert weights[some.classes == 0].sum() == pytest.approx(weights[some.classes == 1].sum())


def test_a_strong_pull_leaves_what_imagenet_says() -> None:
    """The more it is pulled, the closer the head's rows point where ImageNet's do."""
    own, other = (np.random.default_rng(seed).normal(size=(ANSWERS, WIDTH)) for seed in (9, 10))
    rows = torch.from_numpy(own + other).float()
    rows = rows - rows.mean(dim=0)

    def agreement(pull: float) -> float:
        weight = fit_head([looks((80, 80, 80))], [1.0], rows, pull).weight
        return float(torch.nn.functional.cosine_similarity(weight - weight.mean(dim=0), rows).min())

    assert agreement(100.0) > 0.99 > agreement(1e-4)
