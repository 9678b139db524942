"""The training loop: repeatable, interruptible, and it learns."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from training.data.pictures import LabelledImages
from training.data.split import split
from training.fit import CheckpointRefusedError, EpochResult, Run, _course, _epoch_order, fit, learning_rate
from training.recipe import RANDOM_START, Recipe

TINY = Recipe(epochs=2, start=RANDOM_START, blocks=3, batch=32, vehicle_repeats=2, others_share=1.0, threads=1)


class Silent:
    """Watches without a word; asks for a stop, as Ctrl-C does, after the step given."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after

    def step(self, done: int, total: int, loss: float) -> None:
        """Press Ctrl-C if it is time."""
        if done == self.stop_after:
            os.kill(os.getpid(), signal.SIGINT)

    def epoch(self, result: EpochResult) -> None:
        """Nothing to say."""


def weights(run: Run | None) -> list[float]:
    assert run is not None
    return torch.cat([value.flatten().double() for value in run.average.state_dict().values()]).tolist()


def test_a_resumed_run_equals_an_uninterrupted_one(drawn: LabelledImages, tmp_path: Path) -> None:
    """Ctrl-C in the middle of an epoch, then the same command again: the very same weights and curve."""
    parts = split(drawn)
    whole = fit(TINY, drawn, parts, tmp_path / "whole.pt", Silent())

    stopped = fit(TINY, drawn, parts, tmp_path / "broken.pt", Silent(stop_after=5))
    resumed = fit(TINY, drawn, parts, tmp_path / "broken.pt", Silent())

    assert stopped is None
    assert weights(resumed) == weights(whole)
    assert whole is not None
    assert resumed is not None
    assert [replace(epoch, seconds=0) for epoch in resumed.curve] == [
        replace(epoch, seconds=0) for epoch in whole.curve
    ]


def test_a_checkpoint_of_another_run_is_refused(drawn: LabelledImages, tmp_path: Path) -> None:
    """Going on from a checkpoint with other settings is refused, by the checkpoint's name."""
    parts = split(drawn)
    fit(TINY, drawn, parts, tmp_path / "checkpoint.pt", Silent(stop_after=1))

    with pytest.raises(CheckpointRefusedError, match=r"checkpoint\.pt belongs to a run with other"):
        fit(replace(TINY, seed=2), drawn, parts, tmp_path / "checkpoint.pt", Silent())


def test_other_seeds_give_other_weights(drawn: LabelledImages, tmp_path: Path) -> None:
    """The seed reaches weights, order and augmentation."""
    parts = split(drawn)

    first = fit(replace(TINY, epochs=1), drawn, parts, tmp_path / "1.pt", Silent())
    second = fit(replace(TINY, epochs=1, seed=2), drawn, parts, tmp_path / "2.pt", Silent())

    assert weights(first) != weights(second)


def test_an_epoch_draws_its_share_of_the_others_and_every_vehicle(drawn: LabelledImages) -> None:
    """Vehicles come as often as the recipe says, of the rest another half each epoch."""
    parts = split(drawn)
    course = _course(replace(TINY, others_share=0.5, vehicle_repeats=3), drawn, parts)

    first, second = (_epoch_order(course, epoch).tolist() for epoch in (0, 1))

    vehicles = [index for index in parts.train.tolist() if drawn.classes[index] < 2]
    assert all(first.count(index) == 3 for index in vehicles)
    assert len(first) == 3 * len(vehicles) + 48
    assert set(first) != set(second)


def test_drawn_vehicles_can_be_learnt(drawn: LabelledImages, tmp_path: Path) -> None:
    """A tiny network tells drawn bicycles, motorcycles, houses and trees apart after seconds."""
    run = fit(replace(TINY, epochs=30), drawn, split(drawn), tmp_path / "checkpoint.pt", Silent())

    assert run is not None
    assert run.curve[-1].loss < run.curve[0].loss * 0.8
    assert run.curve[-1].accuracy_all_classes >= 0.75


def test_the_learning_rate_rises_once_and_ends_at_nothing() -> None:
    """One cycle: up to the peak, then down to zero."""
    rates = [learning_rate(TINY, number / 100) for number in range(101)]

    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == pytest.approx(TINY.peak_learning_rate)
    assert rates[-1] == pytest.approx(0)
