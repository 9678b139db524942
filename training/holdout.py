"""The same recipe under several seeds, measured on the same held-out pictures: mean, spread, and the middle model.

    python -m training.holdout --data DIR [--data DIR ...] --out DIR [--seeds 1 2 3] [--photos DIR] [--quick]

Each seed's model lies in a folder of its own; the figures are in holdout.json, and the model whose answers cost neither
least nor most is model.tar.gz. All seeds see the same looks. Interrupted, the same command goes on.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from training import train

RESULTS: Final = ("model.tar.gz", "run.json", "data.json")
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
    manifests: list[Mapping[str, Any]] = []
    for seed in options.seeds:
        print(f"Seed {seed}")
        recipe = replace(asked.recipe, seed=seed)
        out = options.out / f"seed-{seed}"
        finished = train.run(replace(asked, recipe=recipe), out, options.out / train.LOOKS)
        if finished is None:
            return train.INTERRUPTED
        manifests.append(finished.artefact.manifest)
    chosen = middle([manifest["costs"]["cost"] for manifest in manifests])
    for name in RESULTS:
        shutil.copyfile(options.out / f"seed-{options.seeds[chosen]}" / name, options.out / name)
    metrics = [manifest["metrics"] for manifest in manifests]
    text = json.dumps({"seeds": options.seeds, "middle": options.seeds[chosen], **spread(metrics)}, indent=2)
    (options.out / "holdout.json").write_text(text + "\n")
    print(text)
    return 0


def middle(costs: Sequence[float]) -> int:
    """Which of several is neither the cheapest nor the dearest; of an even number the cheaper of the two."""
    return sorted(range(len(costs)), key=lambda index: costs[index])[(len(costs) - 1) // 2]


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
