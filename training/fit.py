"""Tuning: the late layers learn from what the front kept, and are held to what the published network knew.

Every step is decided by seed and step number alone, so any can be the last: an interrupted run goes on from its
checkpoint and ends with the very weights of an uninterrupted one.
"""

import json
import math
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.features import Listener, Looks
from training.network import Network, device_of, pooled
from training.recipe import Recipe
from vehiclevision.labels import LABELS
from vehiclevision.refusal import Refusal

CHECKPOINT_SECONDS: Final = 60.0
_CURVE_EVERY: Final = 50


class CheckpointRefusedError(Refusal):
    """A checkpoint of another run lies where this one would be written."""


@dataclass
class Run:
    """Everything that changes while tuning."""

    network: Network
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


def prepare_torch(threads: int) -> torch.device:
    """Same seed, data and number of threads: same result on the same machine. A GPU is used where there is one."""
    torch.use_deterministic_algorithms(True)
    # The filling is for finding bugs; here it costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined, unused-ignore]
    torch.set_num_threads(threads)
    # What deterministic sums on a GPU ask for, read when its first matrix is multiplied.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    network: Network,
    sets: Sequence[Looks],
    shares: Sequence[float],
    recipe: Recipe,
    *,
    imagenet: nn.Module,
    data_hash: str,
    checkpoint: Path,
    listener: Listener,
) -> Run | None:
    """Tune to the end and return the run, or None when Ctrl-C stopped it after saving the checkpoint."""
    identity = json.dumps({"recipe": recipe.as_json(), "data_hash": data_hash}, sort_keys=True)
    run = _load(checkpoint, identity, _new_run(network, recipe))
    imagenet = imagenet.to(device_of(network)).requires_grad_(requires_grad=False)
    draws = _Draws(sets, shares, recipe)
    started = saved = time.monotonic()
    before = run.seconds
    listener(run.step, recipe.steps)
    with _stop_asked() as stop:
        while run.step < recipe.steps and not stop.asked:
            loss = _step(run, draws, imagenet, recipe)
            run.seconds = before + time.monotonic() - started
            if run.step % _CURVE_EVERY == 0:
                run.curve.append({"step": run.step, "loss": round(loss, 4), "seconds": round(run.seconds, 1)})
            listener(run.step, recipe.steps)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                saved = time.monotonic()
                _save(checkpoint, identity, run)
    if recipe.steps:
        _save(checkpoint, identity, run)
    return run if run.step == recipe.steps else None


def learning_rate(recipe: Recipe, progress: float) -> float:
    """One cycle over progress 0..1: up in a straight line, down along a cosine to nothing."""
    if progress < recipe.warm_up_share:
        return recipe.peak_learning_rate * max(progress, 1e-3) / recipe.warm_up_share
    fall = (progress - recipe.warm_up_share) / (1 - recipe.warm_up_share)
    return recipe.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * fall))


class _Draws:
    """Which looks make a step: each set by its share, half of them labels, each label as often as the others."""

    def __init__(self, sets: Sequence[Looks], shares: Sequence[float], recipe: Recipe) -> None:
        self._sets = sets
        self._seed = recipe.seed
        # One place for each of the labels, and as many again for all else.
        answers = [*range(len(LABELS)), *[len(LABELS)] * len(LABELS)]
        total = sum(shares)
        self._pools: list[tuple[int, np.ndarray[Any, Any], float]] = []
        # Where each look of a pool ends between 0 and 1: a number drawn there picks it by its weight.
        self._within: list[np.ndarray[Any, Any]] = []
        for number, (one, share) in enumerate(zip(sets, shares, strict=True)):
            for answer in answers:
                chosen = np.flatnonzero(one.classes == answer)
                if len(chosen):
                    self._pools.append((number, chosen, share / total))
                    weights = one.weights[chosen]
                    self._within.append(np.cumsum(weights / weights.sum()))
        chances = np.array([share for _, _, share in self._pools])
        self._chances = chances / chances.sum()
        self._batch = recipe.batch

    def drawn(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """What the front kept, the classes, and the published network's features of the step's looks."""
        draw = np.random.default_rng([self._seed, step])
        kept, classes, features = [], [], []
        for pool in draw.choice(len(self._pools), self._batch, p=self._chances):
            number, chosen, _ = self._pools[pool]
            index = int(chosen[min(len(chosen) - 1, np.searchsorted(self._within[pool], draw.random()))])
            one = self._sets[number]
            kept.append(cast(Any, one.kept)[index])
            classes.append(one.classes[index])
            features.append(one.features[index])
        return (
            torch.from_numpy(np.stack(kept)),
            torch.from_numpy(np.stack(classes)),
            torch.from_numpy(np.stack(features)).float(),
        )


def _new_run(network: Network, recipe: Recipe) -> Run:
    learnt: list[nn.Module] = [network.late, network.head]
    parameters = [parameter for part in learnt for parameter in part.parameters()]
    # Norms and biases are not pulled towards zero: it only makes the scale of the weights drift.
    groups = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay))  # type: ignore[no-untyped-call, unused-ignore]
    return Run(network, average, torch.optim.AdamW(groups, lr=0.0))


def _step(run: Run, draws: _Draws, imagenet: nn.Module, recipe: Recipe) -> float:
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(recipe, run.step / recipe.steps)
    torch.manual_seed(int(np.random.SeedSequence([recipe.seed, run.step]).generate_state(1)[0]))
    device = device_of(run.network)
    kept, classes, published = (tensor.to(device) for tensor in draws.drawn(run.step))
    _training(run.network)
    run.optimiser.zero_grad()
    # The weights lie so, too: a step takes a seventh less time.
    features = pooled(run.network.late(kept.contiguous(memory_format=torch.channels_last)))
    logits = run.network.head(functional.dropout(features, recipe.dropout))
    loss = functional.cross_entropy(logits, classes, label_smoothing=recipe.label_smoothing)
    if recipe.memory:
        now, then = imagenet(features).log_softmax(dim=1), imagenet(published).log_softmax(dim=1)
        loss = loss + recipe.memory * functional.kl_div(now, then, log_target=True, reduction="batchmean")
    loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
    nn.utils.clip_grad_norm_(run.network.parameters(), 2.0)
    run.optimiser.step()
    run.average.update_parameters(run.network)
    run.step += 1
    return float(loss.item())


def _training(network: Network) -> None:
    """Learn, with norms as published: batches of a few looks would only disturb what they have measured."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _save(checkpoint: Path, identity: str, run: Run) -> None:
    """Write the checkpoint so that a crash in the middle leaves the one before."""
    state = {
        "identity": identity,
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "curve": run.curve,
    }
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    unfinished = checkpoint.with_suffix(".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(checkpoint)


def _load(checkpoint: Path, identity: str, run: Run) -> Run:
    """The run as the checkpoint left it, or the fresh one given where there is none."""
    if not checkpoint.exists():
        return run
    state = torch.load(checkpoint, weights_only=True, map_location=device_of(run.network))
    if state["identity"] != identity:
        raise CheckpointRefusedError(
            f"{checkpoint} belongs to a run with other data or settings. Name another --out, or remove the file."
        )
    run.network.load_state_dict(state["network"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.seconds, run.curve = state["step"], state["seconds"], state["curve"]
    return run


@dataclass
class _Stop:
    asked: bool = False


@contextmanager
def _stop_asked() -> Iterator[_Stop]:
    """Ctrl-C asks for a stop after the current step; a second one stops at once."""
    stop = _Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not the main thread: nobody can press Ctrl-C here
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
