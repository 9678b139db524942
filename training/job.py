"""What a training is asked for: its options, its recipe, and its pictures, read and divided."""

import argparse
import hashlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from training.artefact import DEFAULT_MODEL
from training.beginning import champion_or_published
from training.champion import CHAMPION, Champion, read_champion
from training.data.extract import extract
from training.data.pictures import DataRefusedError, LabelledImages
from training.data.reviewed import learnable, read_reviewed, reviewed_share
from training.data.split import Indices, divided
from training.evaluation.costs import Costs
from training.network import DEFAULT_BACKBONE
from training.published import PUBLISHED, RANDOM
from training.recipe import INTEGERS, SINGLE_PRECISION, Recipe, onward_recipe, quick_recipe
from vehiclevision.labels import LABELS
from vehiclevision.refusal import Refusal

# A rider sent the wrong way costs as much as ten looks by a person: an assumption, to be replaced by one's own figures.
WRONG_COST: Final = 10.0
REVIEW_COST: Final = 1.0


class NotOfAChampionError(Refusal):
    """Options that cannot be had together."""


@dataclass(frozen=True)
class TrainingSet:
    """Pictures from one place: which of them are learnt from, which are measured, and how much the set weighs."""

    name: str
    images: LabelledImages
    learnt: Indices
    held_out: Indices
    left_out: tuple[str, ...] = ()
    share: float = 1.0


@dataclass(frozen=True)
class Job:
    """What is to be done: a recipe on sets of pictures, measured at a threshold."""

    recipe: Recipe
    sets: tuple[TrainingSet, ...]
    photos: LabelledImages | None
    costs: Costs
    threshold: float | None
    command: str
    champion: Champion | None = None
    # Several, of which each makes a network, and the model is their average.
    seeds: tuple[int, ...] = ()

    def data_hash(self) -> str:
        """Of all that is learnt from or measured on."""
        hashes = [one.images.data_hash() for one in self.sets]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    options = argparse.ArgumentParser(description="Train the model.")
    options.add_argument(
        "--data", type=Path, action="append", required=True, help="a folder per class, or CIFAR-100's archive; again"
    )
    options.add_argument("--out", type=Path, required=True, help="where model, run record and checkpoint go")
    options.add_argument("--quick", action="store_true", help="a head of one's own on the champion: minutes")
    options.add_argument("--backbone", default=DEFAULT_BACKBONE, help="any network that timm has")
    options.add_argument(
        "--start",
        choices=(CHAMPION, PUBLISHED, RANDOM),
        help="begin at a champion's own features (with --quick the default), from weights published for ImageNet (the "
        "default otherwise), or from random ones (for tests: it learns little)",
    )
    options.add_argument("--champion", type=Path, metavar="FILE", help="with --quick: the model to begin at")
    options.add_argument("--seed", type=int, action="append", help="several times: the average of their weights")
    options.add_argument("--steps", type=int, help="steps of tuning; 0 leaves the network as published")
    options.add_argument("--threads", type=int, default=Recipe.threads, help="part of what makes a run repeatable")
    options.add_argument("--weights", choices=(INTEGERS, SINGLE_PRECISION), default=Recipe.weights)
    options.add_argument("--wrong-cost", type=float, default=WRONG_COST, help="what a wrong route costs")
    options.add_argument("--review-cost", type=float, default=REVIEW_COST, help="what a look by a person costs")
    options.add_argument("--threshold", type=float, help="the model's threshold (default: the one that costs least)")
    options.add_argument(
        "--leave-out", action="append", default=[], metavar="SOURCE", help="measure on this source, never learn from it"
    )
    options.add_argument(
        "--photos", type=Path, help="real photos, a folder per class: measured once, never learnt from"
    )
    options.add_argument("--data-hash", help="refuse data with another hash than this")
    options.add_argument("--reviewed", type=Path, help="pictures that people labelled: learnt from beside the data")
    options.add_argument("--held-out", type=Path, help="reviewed pictures of which none like it may be learnt from")
    return options


def job(options: argparse.Namespace, words: str) -> Job:
    """What the options ask for, with its data read and split."""
    costs = Costs(options.wrong_cost, options.review_cost)
    sets = [_set(source, options.leave_out, taken=options.data[:number]) for number, source in enumerate(options.data)]
    if not any(bool((each.images.classes >= len(LABELS)).any()) for each in sets):
        print(
            "The data shows vehicles and nothing else: such a model is sure of anything. "
            "A folder with pictures of other things would help.",
            file=sys.stderr,
        )
    if options.reviewed:
        held_out = read_reviewed(options.held_out) if options.held_out else None
        reviewed = learnable(read_reviewed(options.reviewed), held_out)
        nothing: Indices = np.zeros(0, dtype=np.int64)
        share = reviewed_share(len(reviewed)) * len(sets)
        if len(reviewed):
            sets.append(TrainingSet("reviewed", reviewed, np.arange(len(reviewed)), nothing, share=share))
    seeds = tuple(dict.fromkeys(options.seed or [Recipe.seed]))
    recipe = Recipe(
        seed=seeds[0],
        backbone=options.backbone,
        start=options.start or Recipe.start,
        threads=options.threads,
        weights=options.weights,
    )
    champion = _champion(options)
    if champion and len(seeds) > 1:
        raise NotOfAChampionError(
            "A head that is fitted to a champion comes out alike under every seed.",
            "Give one --seed, or add --start published.",
        )
    if champion is not None:
        recipe = replace(onward_recipe(recipe), start=CHAMPION)
    elif options.quick:
        recipe = quick_recipe(recipe)
    if options.steps is not None:
        recipe = replace(recipe, steps=options.steps)
    photos = extract(options.photos) if options.photos else None
    several = seeds if len(seeds) > 1 else ()
    asked = Job(recipe, tuple(sets), photos, costs, options.threshold, words, champion, several)
    # What people labelled comes on top: the hash that was asked for is the data's.
    data = replace(asked, sets=tuple(sets[: len(options.data)]))
    if options.data_hash and data.data_hash() != options.data_hash:
        raise DataRefusedError(f"The data has the hash {data.data_hash()}, not {options.data_hash}. Fetch it again.")
    return asked


def _champion(options: argparse.Namespace) -> Champion | None:
    """What a quick training begins at unless something is asked for that only a network as published has."""
    other = options.backbone != DEFAULT_BACKBONE or options.steps or options.start in (PUBLISHED, RANDOM)
    if (options.start == CHAMPION or options.champion) and (other or not options.quick):
        raise NotOfAChampionError(
            "A champion's head is fitted anew with --quick alone: its network stays as it is.",
            "Leave out --backbone, --steps and --start, or leave out --champion.",
        )
    if other or not options.quick:
        return None
    path = options.champion or DEFAULT_MODEL
    return champion_or_published(path, read_champion, asked_for=options.start == CHAMPION)


def _set(source: Path, left_out: Sequence[str], taken: Sequence[Path]) -> TrainingSet:
    """A set of pictures, divided into what is learnt from and what is measured, under a name that no other has."""
    images = extract(source)
    here = sorted(set(left_out) & set(images.sources))
    parts = divided(images, here)
    alike = [each.name for each in taken].count(source.name)
    name = f"{source.name} {alike + 1}" if alike else source.name
    return TrainingSet(name, images, parts.train, parts.validation, tuple(here))


def command(module: str, given: Sequence[str]) -> str:
    """The command as the artefact tells it, with absolute paths cut to their last name: an artefact travels."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in given]
    return shlex.join(["python", "-m", module, *words])
