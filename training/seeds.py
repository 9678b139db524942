"""One recipe under several seeds: the average of their weights, and what chance does to the figures.

All begin at the same head and see the same looks, so their networks end near one another, and the mean of their
weights is a network, too: mostly better than any of them, for no more work an answer.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch.optim.swa_utils import AveragedModel

from training.network import Network

FIGURES: Final = (
    "accuracy",
    "coverage",
    "accuracy_covered",
    "neither_passed",
    "ece",
    "ece_vehicles",
    "ece_balanced",
    "threshold",
)


def averaged(networks: Sequence[Network]) -> Network:
    """The network whose every weight is the mean of theirs."""
    average = AveragedModel(networks[0])  # type: ignore[no-untyped-call, unused-ignore]
    for each in networks:
        average.update_parameters(each)
    mean = average.module
    assert isinstance(mean, Network)  # noqa: S101 - tells the type checker
    return mean


def spread(manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Cost, and for each set of pictures mean, standard deviation, least and most of each figure."""
    of_sets = [manifest["metrics"] for manifest in manifests]
    return {
        "seeds": [manifest["seed"] for manifest in manifests],
        "cost": _spread([manifest["costs"]["cost"] for manifest in manifests]),
        **{name: {each: _spread([one[name][each] for one in of_sets]) for each in FIGURES} for name in of_sets[0]},
    }


def _spread(given: Sequence[float | None]) -> dict[str, float] | None:
    """None where no model gave the figure: what nothing passes has no share of right ones."""
    values = [value for value in given if value is not None]
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    summary = {"mean": statistics.mean(values), "deviation": deviation, "least": min(values), "most": max(values)}
    return {name: round(value, 4) for name, value in summary.items()}
