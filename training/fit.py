"""The training loop: one step after another, each decided by seed and step number alone, so that any can be the last.

An interrupted run goes on from its checkpoint and ends with the very weights of an uninterrupted one.
"""

import json
import math
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

from training.augment import augment
from training.data.pictures import LabelledImages
from training.data.split import Indices, Split
from training.network import Network, normalise_colours
from training.recipe import Recipe
from vehiclevision.labels import LABELS, MODEL_INPUT_SIDE

CHECKPOINT_SECONDS = 60.0
_STREAMS = {"weights": 0, "order": 1, "step": 2}


class CheckpointRefusedError(Exception):
    """A checkpoint of another run lies where this one would be written."""


@dataclass(frozen=True)
class EpochResult:
    """One line of the training curve; accuracies of the averaged weights on the calibration part."""

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
    optimiser: torch.optim.SGD
    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    curve: list[EpochResult] = field(default_factory=list)


def prepare_torch(threads: int) -> None:
    """Same seed, same data, same number of threads: same result."""
    torch.use_deterministic_algorithms(True)
    # The filling is for finding bugs; here it costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined, unused-ignore]
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Course:
    """What a run draws its steps from."""

    recipe: Recipe
    pixels: Tensor
    classes: Tensor
    parts: Split
    backgrounds: Tensor
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """All of them."""
        return self.steps_per_epoch * self.recipe.epochs


def fit(recipe: Recipe, images: LabelledImages, parts: Split, checkpoint: Path, watcher: Watcher) -> Run | None:
    """Train to the end and return the run, or None when Ctrl-C stopped it after saving the checkpoint."""
    prepare_torch(recipe.threads)
    identity = json.dumps({"recipe": recipe.as_json(), "data_hash": images.data_hash()}, sort_keys=True)
    run = _load(checkpoint, identity, _new_run(recipe, len(images.class_names)))
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
    """An epoch is as many whole batches as the training part gives, vehicles counted as often as they are drawn."""
    vehicle = images.classes[parts.train] < len(LABELS)
    drawn = len(parts.train) + (recipe.vehicle_repeats - 1) * int(vehicle.sum())
    return Course(
        recipe=recipe,
        pixels=torch.from_numpy(images.pixels).permute(0, 3, 1, 2),
        classes=torch.from_numpy(images.classes),
        parts=parts,
        backgrounds=torch.from_numpy(parts.train[~vehicle]),
        steps_per_epoch=max(1, drawn // recipe.batch),
    )


def _new_run(recipe: Recipe, class_count: int) -> Run:
    torch.manual_seed(_seed(recipe, "weights", 0))
    network = Network(recipe.channels, class_count).to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
    average = Network(recipe.channels, class_count)
    average.load_state_dict(network.state_dict())
    # Norms and biases are not pulled towards zero: it only makes the scale of the weights drift.
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return Run(network, average, torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, nesterov=True))


def _seed(recipe: Recipe, stream: str, number: int) -> int:
    """A seed of its own for every draw, so that no draw depends on the ones before it."""
    return int(np.random.SeedSequence([recipe.seed, _STREAMS[stream], number]).generate_state(1, np.uint64)[0] >> 1)


def _epoch_order(course: Course, epoch: int) -> Tensor:
    draw = np.random.default_rng(_seed(course.recipe, "order", epoch))
    train = course.parts.train
    vehicles = train[course.classes.numpy()[train] < len(LABELS)]
    order: Indices = np.concatenate([train, *([vehicles] * (course.recipe.vehicle_repeats - 1))])
    return torch.from_numpy(draw.permutation(order))


def _step(run: Run, course: Course, chosen: Tensor) -> None:
    recipe, progress = course.recipe, run.step / course.steps
    draw = torch.Generator().manual_seed(_seed(recipe, "step", run.step))
    side = recipe.small_side if progress < recipe.small_side_share else MODEL_INPUT_SIDE
    behind = course.backgrounds[torch.randint(len(course.backgrounds), (len(chosen),), generator=draw)]
    x = augment(course.pixels[chosen] / 255, course.pixels[behind] / 255, side, recipe.augmentation, draw)
    x = normalise_colours(x).contiguous(memory_format=torch.channels_last)
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(recipe, progress)
    run.network.train()
    run.optimiser.zero_grad()
    loss = functional.cross_entropy(run.network(x), course.classes[chosen], label_smoothing=recipe.label_smoothing)
    loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
    run.optimiser.step()
    run.step += 1
    run.loss_sum += loss.item()
    _average(run, min(recipe.average_decay, run.step / (run.step + 10)))


def _average(run: Run, decay: float) -> None:
    """Move the averaged weights (and norm statistics) towards the current ones."""
    current = run.network.state_dict()  # detached: no gradient is recorded
    for name, value in run.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def _end_epoch(run: Run, course: Course, epoch: int) -> EpochResult:
    held_out = torch.from_numpy(course.parts.calibration)
    classes = course.classes[held_out]
    right = class_logits(run.average, course.pixels[held_out]).argmax(dim=1) == classes
    result = EpochResult(
        epoch=epoch + 1,
        loss=round(run.loss_sum / course.steps_per_epoch, 4),
        accuracy_all_classes=round(right.float().mean().item(), 4),
        accuracy_vehicles=round(right[classes < len(LABELS)].float().mean().item(), 4),
        seconds=round(run.seconds, 1),
    )
    run.curve.append(result)
    run.loss_sum = 0.0
    return result


def class_logits(network: Network, pixels: Tensor, batch: int = 250) -> Tensor:
    """Logits of all classes from uint8 pictures [n, 3, side, side]."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(normalise_colours(part / 255)) for part in torch.split(pixels, batch)])


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
    state = torch.load(checkpoint, weights_only=True)
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
