"""What the front of the network and the published network make of every look at every picture: computed once, kept.

Half a minute a thousand looks on two cores. What is kept lies in a folder of its own; an interrupted run goes on.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from training.augment import changed, changes
from training.data.pictures import Classes, LabelledImages, Pixels, decoded
from training.data.split import Indices
from training.network import ANSWERS, Network, device_of, pooled
from training.recipe import Recipe
from vehiclevision.labels import LABELS

BATCH: Final = 8
MOST_WEIGHT: Final = 4.0
_SAVE_EVERY: Final = 50
Listener = Callable[[int, int], None]
Kept = npt.NDArray[Any]


@dataclass(frozen=True)
class Look:
    """One look at one picture: which, and how it is changed; 0 means not at all."""

    picture: int
    number: int


@dataclass(frozen=True)
class Looks:
    """All looks at a set of pictures, with what was kept of each: [n, ...] arrays in the same order.

    `classes` are those of the labels, and one for all else; `weights` say how often each look is learnt from beside
    the others of its class. `kept` is None where nothing was asked for but features.
    """

    classes: Classes
    weights: npt.NDArray[np.float64]
    features: npt.NDArray[np.float16]
    kept: Kept | None


def plan(images: LabelledImages, learnt: Indices, recipe: Recipe) -> list[Look]:
    """Which pictures are looked at how often: each label's about equally often, of the others a fixed draw."""
    draw = np.random.default_rng(recipe.seed)
    looks: list[Look] = []
    classes = np.minimum(images.classes[learnt], len(LABELS))
    for answer in range(ANSWERS):
        chosen = learnt[classes == answer]
        if answer == len(LABELS) and len(chosen) > recipe.most_others:
            chosen = np.sort(draw.permutation(chosen)[: recipe.most_others])
        often = min(recipe.most_looks, max(recipe.looks, recipe.looks_aimed_at // max(1, len(chosen))))
        if answer == len(LABELS):
            often = min(recipe.looks, max(1, recipe.most_others // max(1, len(chosen))))
        looks += [Look(int(picture), number) for number in range(often) for picture in chosen]
    return looks


def plain(pictures: Indices) -> list[Look]:
    """One look at each, as it is."""
    return [Look(int(picture), 0) for picture in pictures]


def look(
    network: Network,
    images: LabelledImages,
    looks: list[Look],
    folder: Path,
    recipe: Recipe,
    *,
    keep: bool,
    listener: Listener = lambda done, total: None,
) -> Looks:
    """Show the network every look, going on where an interrupted run stopped; `keep` asks for the front's as well."""
    identity = json.dumps([images.data_hash(), recipe.as_json(), keep, [(each.picture, each.number) for each in looks]])
    store = _Store.opened(folder, identity, network, images, len(looks), keep=keep)
    network.eval()
    listener(store.done, len(looks))
    with torch.inference_mode(), ThreadPoolExecutor(1) as beside:
        for start, pictures in _ahead(beside, images, looks, recipe.seed, store.done):
            shown = torch.from_numpy(pictures).to(device_of(network))
            front = network.front(shown)
            features = pooled(network.late(front))
            store.put(start, features.cpu().numpy(), front.cpu().numpy())
            listener(min(start + BATCH, len(looks)), len(looks))
    store.close()
    return looked_at(images, np.array([each.picture for each in looks]), store.features, store.kept)


def looked_at(images: LabelledImages, pictures: Indices, features: Kept, kept: Kept | None = None) -> Looks:
    """What was seen of these pictures, with their classes and weights."""
    classes = np.minimum(images.classes[pictures], len(LABELS))
    sources = images.sources or ("",) * len(images)
    return Looks(classes, weights_by_source(classes, np.array(sources)[pictures]), features, kept)


def weights_by_source(classes: Classes, sources: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """More weight for what a source shows seldom, so that a source's look says little about what a picture shows.

    A source that is a third of all bicycles and a twentieth of all motorcycles would teach that its pictures are
    bicycles. Its motorcycles weigh more, at most MOST_WEIGHT.
    """
    weights = np.ones(len(classes))
    for source in np.unique(sources):
        shown = sources == source
        shares = {answer: shown[classes == answer].mean() for answer in np.unique(classes[shown])}
        for answer, share in shares.items():
            weights[shown & (classes == answer)] = min(MOST_WEIGHT, max(shares.values()) / share)
    return weights


def _ahead(
    beside: ThreadPoolExecutor, images: LabelledImages, looks: list[Look], seed: int, start: int
) -> Iterator[tuple[int, Pixels]]:
    """Batches of changed pictures, the next one made while the network looks at this one."""
    how = changes()

    def make(first: int) -> Pixels:
        return np.stack([_shown(images, each, seed, how) for each in looks[first : first + BATCH]])

    waiting = beside.submit(make, start) if start < len(looks) else None
    while waiting is not None:
        pictures = waiting.result()
        following = start + BATCH
        waiting = beside.submit(make, following) if following < len(looks) else None
        yield start, pictures
        start = following


def _shown(images: LabelledImages, each: Look, seed: int, how: Any) -> Pixels:
    picture = decoded(images.files[each.picture])
    if each.number == 0:
        return picture
    # Every look has a seed of its own, so that none depends on the ones before it.
    return changed(picture, int(np.random.SeedSequence([seed, each.picture, each.number]).generate_state(1)[0]), how)


class _Store:
    """Arrays on disk, and how much of them is done."""

    def __init__(self, folder: Path, features: Kept, kept: Kept | None, done: int) -> None:
        self.features = features
        self.kept = kept
        self.done = done
        self._progress = folder / "done"

    @classmethod
    def opened(
        cls, folder: Path, identity: str, network: Network, images: LabelledImages, count: int, *, keep: bool
    ) -> "_Store":
        """The store of an earlier run of the same, or a fresh one."""
        known = folder / "identity.json"
        fresh = not (known.is_file() and known.read_text() == identity)
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        with torch.inference_mode():
            front = network.front(
                torch.from_numpy(np.array(decoded(images.files[0])[np.newaxis])).to(device_of(network))
            )
            width = pooled(network.late(front)).shape[1]
        mode: Any = "w+" if fresh else "r+"
        features = _array(folder / "features.npy", mode, (count, width), np.dtype(np.float16))
        kept = None
        if keep:
            kept = _array(folder / "kept.npy", mode, (count, *front.shape[1:]), front.cpu().numpy().dtype)
        if fresh:
            known.write_text(identity)
        done = folder / "done"
        return cls(folder, features, kept, int(done.read_text()) if done.is_file() else 0)

    def put(self, start: int, features: Kept, kept: Kept) -> None:
        """Keep what a batch came to."""
        self.features[start : start + len(features)] = features
        if self.kept is not None:
            self.kept[start : start + len(kept)] = kept
        if start // BATCH % _SAVE_EVERY == _SAVE_EVERY - 1:
            self._note(start + len(features))

    def close(self) -> None:
        """All of it is there."""
        self._note(len(self.features))

    def _note(self, done: int) -> None:
        for array in (self.features, self.kept):
            if isinstance(array, np.memmap):
                array.flush()
        self._progress.write_text(str(done))


def _array(path: Path, mode: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kept:
    if mode == "w+":
        return np.lib.format.open_memmap(path, mode, dtype, shape)
    return np.lib.format.open_memmap(path, mode)
