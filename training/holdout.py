"""The same recipe under several seeds, their weights averaged: one model, and what chance does to each seed's.

    python -m training.holdout --data DIR [--data DIR ...] --out DIR [--seeds 1 2 3] [--photos DIR]

All seeds begin at the same head and see the same looks, so their networks end near one another, and the mean of their
weights is a network, too: model.tar.gz. Each seed's own model lies in a folder of its own; their figures, with mean
and spread, are in holdout.json beside those of the average. Interrupted, the same command goes on.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from torch.optim.swa_utils import AveragedModel

from training import train
from training.network import Network
from training.summary import summary

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every seed has its model, 2 when something was refused, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = train.parser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="instead of --seed")
    options = parser.parse_args(given)
    return train.reported(lambda: _repeat(options, given))


def _repeat(options: argparse.Namespace, given: Sequence[str]) -> int:
    asked = train.job(options, train.command("training.holdout", given))
    if asked.champion:
        raise train.NotOfAChampionError(
            "A head that is fitted to a champion comes out alike under every seed.",
            "Add --start published, or train it once: vehiclevision train --quick",
        )
    learnt: list[train.Learnt] = []
    manifests: list[Mapping[str, Any]] = []
    for seed in options.seeds:
        print(f"Seed {seed}")
        of_seed = replace(asked, recipe=replace(asked.recipe, seed=seed))
        out = options.out / f"seed-{seed}"
        one = train.learn(of_seed, out, options.out / train.LOOKS)
        if one is None:
            return train.INTERRUPTED
        learnt.append(one)
        manifests.append(train.written(train.export(one, of_seed), of_seed, out).artefact.manifest)
    together = replace(asked, seeds=tuple(options.seeds))
    artefact = train.written(train.export(averaged(learnt), together), together, options.out).artefact
    told = {
        "seeds": options.seeds,
        "costs": [manifest["costs"]["cost"] for manifest in manifests],
        "of_seeds": spread([manifest["metrics"] for manifest in manifests]),
        "averaged": {"cost": artefact.manifest["costs"]["cost"], **artefact.manifest["metrics"]},
    }
    (options.out / "holdout.json").write_text(json.dumps(told, indent=2) + "\n")
    print("\n".join([*summary(artefact, options.out), f"What each seed came to is in {options.out / 'holdout.json'}"]))
    return 0


def averaged(learnt: Sequence[train.Learnt]) -> train.Learnt:
    """The network whose every weight is the mean of the seeds'."""
    mean = AveragedModel(learnt[0].network)  # type: ignore[no-untyped-call, unused-ignore]
    for each in learnt:
        mean.update_parameters(each.network)
    network = mean.module
    assert isinstance(network, Network)  # noqa: S101 - tells the type checker
    return train.Learnt(network, [], sum(each.seconds for each in learnt))


def spread(metrics: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float] | None]]:
    """Mean, standard deviation, least and most of each figure, for each set of pictures."""
    return {
        name: {figure: _spread([one[name][figure] for one in metrics]) for figure in FIGURES} for name in metrics[0]
    }


def _spread(given: Sequence[float | None]) -> dict[str, float] | None:
    """None where no model gave the figure: what nothing passes has no share of right ones."""
    values = [value for value in given if value is not None]
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    summary = {"mean": statistics.mean(values), "deviation": deviation, "least": min(values), "most": max(values)}
    return {name: round(value, 4) for name, value in summary.items()}


if __name__ == "__main__":
    sys.exit(main())
