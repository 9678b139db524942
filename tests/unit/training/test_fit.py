"""Tuning: repeatable, interruptible, and it learns."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from tests.unit.training.small_network import TINY, looks, network
from training.data.pictures import LabelledImages
from training.features import Looks
from training.fit import CheckpointRefusedError, Run, fit, learning_rate, prepare_torch
from training.network import pooled
from training.recipe import Recipe


@pytest.fixture(scope="module")
def seen(drawn: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Looks:
    return looks(drawn, tmp_path_factory.mktemp("looks"))


def tuned(
    seen: Looks,
    checkpoint: Path,
    recipe: Recipe = TINY,
    listener: Callable[[int, int], None] = lambda done, total: None,
) -> Run | None:
    prepare_torch(1)
    model, imagenet = network()
    return fit(model, [seen], [1.0], recipe, imagenet=imagenet, data_hash="x", checkpoint=checkpoint, listener=listener)


def stop_after(step: int) -> Callable[[int, int], None]:
    """Press Ctrl-C after this step."""

    def listen(done: int, total: int) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGINT)

    return listen


def weights(run: Run | None) -> list[float]:
    assert run is not None
    values: list[float] = torch.cat([value.flatten().double() for value in run.average.state_dict().values()]).tolist()
    return values


def test_a_resumed_run_equals_an_uninterrupted_one(seen: Looks, tmp_path: Path) -> None:
    """Ctrl-C in the middle, then the same command again: the very same weights."""
    whole = tuned(seen, tmp_path / "whole.pt")

    stopped = tuned(seen, tmp_path / "broken.pt", listener=stop_after(2))
    resumed = tuned(seen, tmp_path / "broken.pt")

    assert stopped is None
    assert weights(resumed) == weights(whole)


def test_a_checkpoint_of_another_run_is_refused(seen: Looks, tmp_path: Path) -> None:
    """Going on from a checkpoint with other settings is refused, by the checkpoint's name."""
    tuned(seen, tmp_path / "checkpoint.pt", listener=stop_after(1))

    with pytest.raises(CheckpointRefusedError, match=r"checkpoint\.pt belongs to a run with other"):
        tuned(seen, tmp_path / "checkpoint.pt", replace(TINY, seed=2))


def test_the_front_and_the_norms_stay_as_published(seen: Looks, tmp_path: Path) -> None:
    """Tuning changes late weights and the head; what lies in front, and what norms measured, it leaves alone."""
    before, _ = network()

    run = tuned(seen, tmp_path / "checkpoint.pt")

    assert run is not None
    after = run.network.state_dict()
    changed = {name for name, value in before.state_dict().items() if not torch.equal(value, after[name])}
    assert any(name.startswith("late.") for name in changed)
    assert "head.weight" in changed
    assert not {name for name in changed if name.startswith("front.") or "running_" in name}


def test_a_network_held_to_what_it_knew_forgets_less(seen: Looks, tmp_path: Path) -> None:
    """With a strong memory, what ImageNet's head says of the same pictures changes less than without."""
    differences = []
    for memory in (0.0, 20.0):
        recipe = replace(TINY, memory=memory, steps=8, peak_learning_rate=2e-3)
        run = tuned(seen, tmp_path / f"{memory}.pt", recipe)
        assert run is not None
        _, imagenet = network()
        with torch.inference_mode():
            features = pooled(run.network.eval().late(torch.from_numpy(seen.kept)))
            now, then = (imagenet(rows).softmax(dim=1) for rows in (features, torch.from_numpy(seen.features).float()))
        differences.append(float((now - then).abs().sum()))

    assert differences[1] < differences[0]


def test_drawn_vehicles_can_be_learnt(seen: Looks, tmp_path: Path) -> None:
    """The loss falls."""
    recipe = replace(TINY, steps=100, memory=0.0, peak_learning_rate=1e-3)

    run = tuned(seen, tmp_path / "checkpoint.pt", recipe)

    assert run is not None
    assert run.curve[-1]["loss"] < 0.9 < run.curve[0]["loss"] + 0.9


def test_the_learning_rate_rises_once_and_ends_at_nothing() -> None:
    """One cycle: up to the peak, then down to zero."""
    rates = [learning_rate(TINY, number / 100) for number in range(101)]

    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == pytest.approx(TINY.peak_learning_rate)
    assert rates[-1] == pytest.approx(0)
