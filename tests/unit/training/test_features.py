"""What is computed once of every look at every picture, and kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed here: make test-training")

import torch

from tests.unit.training.small_network import TINY, few, network
from training.data.pictures import LabelledImages, stacked
from training.features import MOST_WEIGHT, Look, look, plan, weights_by_source
from training.network import pooled
from vehiclevision.labels import LABELS


def test_the_first_look_is_at_the_picture_as_it_is(drawn: LabelledImages, tmp_path: Path) -> None:
    """What is kept of it is what the network makes of the decoded file, in half precision."""
    model, _ = network()
    chosen = few(drawn, 2)

    kept = look(model, drawn, [Look(int(one), 0) for one in chosen], tmp_path, TINY, keep=True)

    with torch.inference_mode():
        front = model.front(torch.from_numpy(stacked([drawn.files[one] for one in chosen])))
        features = pooled(model.late(front))
    assert np.allclose(kept.features, features.numpy(), atol=2e-3)
    assert kept.kept is not None
    assert np.allclose(np.asarray(kept.kept, np.float32), front.float().numpy(), atol=2e-2)
    assert kept.classes.tolist() == np.minimum(drawn.classes[chosen], len(LABELS)).tolist()


def test_an_interrupted_run_goes_on(drawn: LabelledImages, tmp_path: Path) -> None:
    """Stopped in the middle and started again: the same numbers, and only what was missing is looked at."""
    model, _ = network()
    looks = [Look(int(one), number) for number in range(2) for one in few(drawn, 4)]
    whole = look(model, drawn, looks, tmp_path / "whole", TINY, keep=False)

    def stop(done: int, total: int) -> None:
        if done >= 16:
            (tmp_path / "broken" / "done").write_text(str(done))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(model, drawn, looks, tmp_path / "broken", TINY, keep=False, listener=stop)
    seen: list[int] = []
    resumed = look(
        model, drawn, looks, tmp_path / "broken", TINY, keep=False, listener=lambda done, total: seen.append(done)
    )

    assert seen[:2] == [16, 24]
    assert np.array_equal(resumed.features, whole.features)


def test_other_looks_are_not_taken_for_these(drawn: LabelledImages, tmp_path: Path) -> None:
    """What lies in the folder for another recipe is made anew."""
    model, _ = network()
    looks = [Look(int(one), 1) for one in few(drawn, 2)]
    first = np.array(look(model, drawn, looks, tmp_path, TINY, keep=False).features)

    second = look(model, drawn, looks, tmp_path, replace(TINY, seed=2), keep=False).features

    assert not np.array_equal(first, second)


def test_labels_are_looked_at_often_and_others_within_bounds(drawn: LabelledImages) -> None:
    """Few pictures of a label get more looks; of the others no more than the recipe's most are taken."""
    recipe = replace(TINY, looks=2, looks_aimed_at=300, most_looks=8, most_others=40)

    looks = plan(drawn, np.arange(len(drawn)), recipe)

    classes = [int(drawn.classes[each.picture]) for each in looks]
    assert classes.count(0) == classes.count(1) == 60 * 5
    assert len({each.picture for each in looks if drawn.classes[each.picture] >= 2}) == 40


def test_what_a_source_shows_seldom_is_learnt_from_more_often() -> None:
    """Tiles that are half of all bicycles and a twentieth of all motorcycles do not teach that a tile is a bicycle."""
    classes = np.repeat([0, 1, 2], 100)
    sources = np.array(["tiles"] * 50 + ["shop"] * 50 + ["tiles"] * 20 + ["shop"] * 80 + ["street"] * 100)

    weights = weights_by_source(classes, sources)

    tile, motorcycle = sources == "tiles", classes == 1
    assert np.allclose(weights[tile & ~motorcycle], 1)
    assert np.allclose(weights[tile & motorcycle], 50 / 20)
    assert np.allclose(weights[~tile & (classes == 0)], 80 / 50)
    assert weights.max() <= MOST_WEIGHT


def test_where_nobody_said_where_pictures_come_from_all_weigh_the_same() -> None:
    """CIFAR-100's have no source."""
    assert np.allclose(weights_by_source(np.repeat([0, 1, 2], 5), np.array([""] * 15)), 1)
