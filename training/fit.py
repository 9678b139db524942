"""The training loop: one step after another, each decided by seed and step number alone, so that any can be the last.

An interrupted run goes on from its checkpoint and ends with the very weights of an uninterrupted one.
"""

import copy
import json
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.augment import augment, mix
from training.data.pictures import LabelledImages
from training.data.split import Indices, Split
from training.network import Network, normalise_colours
from training.published import begin_from_published
from training.recipe import MIXED_PRECISION, PUBLISHED_START, SINGLE_PRECISION, Recipe
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

CHECKPOINT_SECONDS = 60.0
# Of the held-out pictures, so many are looked at after every epoch, and all vehicles: the eye needs no more.
GLANCE = 2_000
_STREAMS = {"weights": 0, "order": 1, "step": 2}


class CheckpointRefusedError(Exception):
    """A checkpoint of another run lies where this one would be written."""


@dataclass(frozen=True)
class EpochResult:
    """One line of the training curve; accuracies of the averaged weights on some held-out pictures, for the eye only.

    Nothing is chosen by them: the model is what the last step leaves.
    """

    epoch: int
    loss: float
    accuracy_all_classes: float
    accuracy_vehicles: float
    seconds: float


class Watcher(Protocol):
    """Who is told how a run gets on: a progress bar in a terminal, nothing in a test."""

    def step(self, done: int, total: int, loss: float) -> None:
        """Called after every step."""

    def epoch(self, result: EpochResult) -> None:
        """Called after every epoch."""


@dataclass
class Run:
    """Everything that changes while training."""

    network: Network
    average: Network
    device: torch.device
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    curve: list[EpochResult] = field(default_factory=list)


def prepare_torch(threads: int) -> torch.device:
    """Same seed, data and number of threads: same result on the same machine. A GPU is used where there is one."""
    torch.use_deterministic_algorithms(True)
    # The filling is for finding bugs; here it costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined, unused-ignore]
    torch.set_num_threads(threads)
    # What deterministic sums on a GPU ask for, read when its first matrix is multiplied.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_precision() -> str:
    """Mixed precision where the processor computes in it, which halves the time; else single."""
    fast = torch.cuda.is_available() or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return MIXED_PRECISION if fast else SINGLE_PRECISION


@dataclass(frozen=True)
class Course:
    """What a run draws its steps from."""

    recipe: Recipe
    pixels: Tensor
    classes: Tensor
    parts: Split
    vehicles: Indices
    others: Indices
    backgrounds: Tensor
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """All of them."""
        return self.steps_per_epoch * self.recipe.epochs


def fit(
    recipe: Recipe,
    images: LabelledImages,
    parts: Split,
    checkpoint: Path,
    watcher: Watcher,
) -> Run | None:
    """Train to the end and return the run, or None when Ctrl-C stopped it after saving the checkpoint."""
    device = prepare_torch(recipe.threads)
    identity = json.dumps({"recipe": recipe.as_json(), "data_hash": images.data_hash()}, sort_keys=True)
    run = _load(checkpoint, identity, _new_run(recipe, len(images.class_names), device))
    course = _course(recipe, images, parts)
    started = saved = time.monotonic()
    before, order = run.seconds, _epoch_order(course, run.step // course.steps_per_epoch)
    with _stop_asked() as stop:
        while run.step < course.steps and not stop.asked:
            epoch, position = divmod(run.step, course.steps_per_epoch)
            if position == 0:
                order = _epoch_order(course, epoch)
            _step(run, course, order[position * recipe.batch :][: recipe.batch])
            run.seconds = before + time.monotonic() - started
            watcher.step(run.step, course.steps, run.loss_sum / (position + 1))
            if run.step % course.steps_per_epoch == 0:
                watcher.epoch(_end_epoch(run, course, epoch))
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                saved = time.monotonic()
                _save(checkpoint, identity, run)
    _save(checkpoint, identity, run)
    return run if run.step == course.steps else None


def learning_rate(recipe: Recipe, progress: float) -> float:
    """One cycle over progress 0..1: up in a straight line, down along a cosine to nothing."""
    if progress < recipe.warm_up_share:
        return recipe.peak_learning_rate * max(progress, 1e-3) / recipe.warm_up_share
    fall = (progress - recipe.warm_up_share) / (1 - recipe.warm_up_share)
    return recipe.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * fall))


def _course(recipe: Recipe, images: LabelledImages, parts: Split) -> Course:
    """An epoch is as many whole batches as its draws give, vehicles counted as often as they are drawn."""
    vehicle = images.classes[parts.train] < len(LABELS)
    vehicles, others = parts.train[vehicle], parts.train[~vehicle]
    drawn = recipe.vehicle_repeats * len(vehicles) + int(recipe.others_share * len(others))
    return Course(
        recipe=recipe,
        pixels=torch.from_numpy(images.pixels).permute(0, 3, 1, 2),
        classes=torch.from_numpy(images.classes),
        parts=parts,
        vehicles=vehicles,
        others=others,
        # What a vehicle made smaller is laid upon; where there is nothing else, other vehicles will do.
        backgrounds=torch.from_numpy(others if len(others) else vehicles),
        steps_per_epoch=max(1, drawn // recipe.batch),
    )


def _new_run(recipe: Recipe, class_count: int, device: torch.device) -> Run:
    torch.manual_seed(_seed(recipe, "weights", 0))
    network = Network(recipe.blocks, class_count)
    if recipe.start == PUBLISHED_START:
        begin_from_published(network)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
    average = copy.deepcopy(network)
    # Norms and biases are not pulled towards zero: it only makes the scale of the weights drift.
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.0)
    return Run(network, average, device, optimiser)


def _seed(recipe: Recipe, stream: str, number: int) -> int:
    """A seed of its own for every draw, so that no draw depends on the ones before it."""
    return int(np.random.SeedSequence([recipe.seed, _STREAMS[stream], number]).generate_state(1, np.uint64)[0] >> 1)


def _epoch_order(course: Course, epoch: int) -> Tensor:
    draw = np.random.default_rng(_seed(course.recipe, "order", epoch))
    others = draw.permutation(course.others)[: int(course.recipe.others_share * len(course.others))]
    order: Indices = np.concatenate([others, *([course.vehicles] * course.recipe.vehicle_repeats)])
    return torch.from_numpy(draw.permutation(order))


def _step(run: Run, course: Course, chosen: Tensor) -> None:
    recipe, progress = course.recipe, run.step / course.steps
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(recipe, progress)
    draw = torch.Generator().manual_seed(_seed(recipe, "step", run.step))
    mixed_share = recipe.augmentation.mixed_share if progress < recipe.mixed_until_share else 0.0
    x, partner, share = mix(_changed(course, chosen, draw), mixed_share, draw)
    run.network.train()
    run.optimiser.zero_grad()
    with _precision(recipe, run.device):
        answers = run.network(x.to(run.device, memory_format=torch.channels_last))
    classes = course.classes[chosen]
    loss = share * _loss(recipe, answers.float(), classes.to(run.device))
    if share < 1:
        loss = loss + (1 - share) * _loss(recipe, answers.float(), classes[partner].to(run.device))
    loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
    run.optimiser.step()
    run.step += 1
    run.loss_sum += loss.item()
    _average(run, min(recipe.average_decay, run.step / (run.step + 10)))


def _changed(course: Course, chosen: Tensor, draw: torch.Generator) -> Tensor:
    """The chosen pictures as this step sees them: changed, with colours as the network expects them."""
    behind = course.backgrounds[torch.randint(len(course.backgrounds), (len(chosen),), generator=draw)]
    how = course.recipe.augmentation
    x = augment(course.pixels[chosen] / 255, course.pixels[behind] / 255, MODEL_INPUT_SIDE, how, draw)
    return normalise_colours(x)


def _precision(recipe: Recipe, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == MIXED_PRECISION)


def _loss(recipe: Recipe, answers: Tensor, classes: Tensor) -> Tensor:
    """How wrong logits are, among all classes and once more between the two vehicles alone."""
    loss = functional.cross_entropy(answers, classes)
    vehicle = classes < len(LABELS)
    pair = functional.cross_entropy(answers[vehicle][:, : len(LABELS)], classes[vehicle], reduction="sum")
    return loss + recipe.pair_weight * pair / len(classes)


def _average(run: Run, decay: float) -> None:
    """Move the averaged weights (and norm statistics) towards the current ones."""
    current = run.network.state_dict()  # detached: no gradient is recorded
    for name, value in run.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def _end_epoch(run: Run, course: Course, epoch: int) -> EpochResult:
    held_out = torch.from_numpy(course.parts.validation)
    some = torch.zeros(len(held_out), dtype=torch.bool)
    some[:: max(1, len(held_out) // GLANCE)] = True
    seen = some | (course.classes[held_out] < len(LABELS))
    some, classes = some[seen], course.classes[held_out[seen]]
    with _precision(course.recipe, run.device):
        logits = class_logits(run.average, course.pixels[held_out[seen]], run.device)
    vehicle = classes < len(LABELS)
    result = EpochResult(
        epoch=epoch + 1,
        loss=round(run.loss_sum / course.steps_per_epoch, 4),
        accuracy_all_classes=_share_right(logits[some], classes[some]),
        accuracy_vehicles=_share_right(logits[vehicle][:, : len(LABELS)], classes[vehicle]),
        seconds=round(run.seconds, 1),
    )
    run.curve.append(result)
    run.loss_sum = 0.0
    return result


def _share_right(logits: Tensor, classes: Tensor) -> float:
    return round(float((logits.argmax(dim=1) == classes).float().mean()), 4)


def class_logits(network: Network, pixels: Tensor, device: torch.device, batch: int = 250) -> Tensor:
    """Logits of all classes from uint8 pictures [n, 3, side, side]."""
    network.eval()
    with torch.no_grad():
        parts = [network(normalise_colours(part / 255).to(device)).float().cpu() for part in torch.split(pixels, batch)]
    return torch.cat(parts)


def _save(checkpoint: Path, identity: str, run: Run) -> None:
    """Write the checkpoint so that a crash in the middle leaves the one before."""
    state = {
        "identity": identity,
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "loss_sum": run.loss_sum,
        "curve": [vars(result) for result in run.curve],
    }
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    unfinished = checkpoint.with_suffix(".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(checkpoint)


def _load(checkpoint: Path, identity: str, run: Run) -> Run:
    """The run as the checkpoint left it, or the fresh one given where there is none."""
    if not checkpoint.exists():
        return run
    state = torch.load(checkpoint, weights_only=True, map_location=run.device)
    if state["identity"] != identity:
        raise CheckpointRefusedError(
            f"{checkpoint} belongs to a run with other data or settings. Name another --out, or remove the file."
        )
    run.network.load_state_dict(state["network"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.seconds, run.loss_sum = state["step"], state["seconds"], state["loss_sum"]
    run.curve = [EpochResult(**result) for result in state["curve"]]
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
