"""The head: one linear map from features to the labels and all else, held to what an earlier head says of them.

That head is ImageNet's, of the network as published, or a champion's own. Convex, so it has one answer; a minute for
tens of thousands of looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from training.features import Looks
from training.network import ANSWERS
from vehiclevision.labels import LABELS

_ITERATIONS: Final = 150
_HISTORY: Final = 20


@dataclass(frozen=True)
class Head:
    """Weights [answers, features] and bias [answers]."""

    weight: Tensor
    bias: Tensor


def fit_head(
    sets: Sequence[Looks], shares: Sequence[float], rows: Tensor, pull: float, *, trusts_rows: bool = False
) -> Head:
    """The head with the smallest loss over all looks; `shares` says how much each set weighs.

    How much `rows` weigh is fitted, too, unless they are trusted: on pictures that they were fitted to they would be
    too sure of themselves.
    """
    features = torch.from_numpy(np.concatenate([one.features for one in sets]).astype(np.float32))
    classes = torch.from_numpy(np.concatenate([one.classes for one in sets]))
    weights = torch.from_numpy(np.concatenate([balance(one) * share for one, share in zip(sets, shares, strict=True)]))
    weights = (weights / weights.sum()).float()
    mean, spread = features.mean(dim=0), features.std()
    scaled = (features - mean) / spread
    known = scaled @ (rows * spread).T
    change = torch.zeros(ANSWERS, features.shape[1], requires_grad=True)
    bias, trust = torch.zeros(ANSWERS, requires_grad=True), torch.ones(1, requires_grad=not trusts_rows)
    fitted = [change, bias] if trusts_rows else [change, bias, trust]
    solver = torch.optim.LBFGS(fitted, max_iter=_ITERATIONS, history_size=_HISTORY)

    def loss() -> Tensor:
        solver.zero_grad()
        logits = scaled @ change.T + bias + trust * known
        errors = functional.cross_entropy(logits, classes, reduction="none")
        total: Tensor = (weights * errors).sum() + pull * change.square().sum()
        total.backward()  # type: ignore[no-untyped-call, unused-ignore]
        return total

    solver.step(loss)  # type: ignore[no-untyped-call, arg-type, unused-ignore]
    weight = (change / spread + trust * rows).detach()
    return Head(weight, bias.detach() - weight @ mean)


def balance(looks: Looks) -> npt.NDArray[np.float64]:
    """A weight for each look: the labels together as much as all else, each label as much as the others."""
    weights = np.zeros(len(looks.classes))
    for answer in range(ANSWERS):
        chosen = looks.classes == answer
        share = 1.0 if answer == len(LABELS) else 1 / len(LABELS)
        weights[chosen] = share * looks.weights[chosen] / max(1.0, float(looks.weights[chosen].sum()))
    balanced: npt.NDArray[np.float64] = weights / max(weights.sum(), 1e-12)
    return balanced
