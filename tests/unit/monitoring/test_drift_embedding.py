"""The distance in a network's features: near for pictures like the known ones, far for others."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monitoring.captures.source import open_source
from monitoring.drift.baseline import compose
from monitoring.drift.decision import check
from monitoring.drift.embedding import DIRECTIONS, MAX_NUMBERS, MIN_PICTURES, NAME, fit, with_distances
from monitoring.summary import summarise
from tests.unit.monitoring.capture_lines import NOON, line, png, record, write

FEATURES = 40


def known(n: int = 500, seed: int = 0) -> np.ndarray:
    """Features that vary much in few directions."""
    chance = np.random.default_rng(seed)
    strong = np.random.default_rng(99).normal(size=(5, FEATURES))
    return chance.normal(size=(n, 5)) @ strong + 0.1 * chance.normal(size=(n, FEATURES)) + 3


def test_unseen_rows_of_the_same_kind_are_at_distance_one() -> None:
    """One is usual, and what lies off in a direction that hardly varies is far, however short the way."""
    where = fit(known())
    assert where is not None
    usual = where.distances(known(300, seed=1))
    off = known(300, seed=1)
    off[:, 0] += 2.0

    assert usual.mean() == pytest.approx(1.0, abs=0.1)
    assert where.distances(off).min() > usual.mean()
    assert where.distances(off).mean() > 2 * usual.mean()


def test_with_all_directions_it_is_mahalanobis_distance() -> None:
    """Against the textbook's formula, where no direction is left out but the last."""
    rows = np.random.default_rng(2).normal(size=(400, DIRECTIONS + 1)) * np.linspace(1, 3, DIRECTIONS + 1)
    where = fit(rows)
    assert where is not None
    centred = rows - rows.mean(axis=0)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", centred, np.linalg.inv(np.cov(rows.T)), centred) / rows.shape[1])

    assert where.distances(rows) == pytest.approx(expected)


def test_too_few_or_equal_rows_have_no_distance() -> None:
    """Better none than one that means nothing."""
    assert fit(known(MIN_PICTURES - 1)) is None
    assert fit(np.ones((MIN_PICTURES, FEATURES))) is None
    assert fit(np.full((MIN_PICTURES, FEATURES), np.nan)) is None


def test_a_row_that_is_not_finite_has_none() -> None:
    """NaN in, NaN out, and the other rows are unharmed."""
    where = fit(known())
    assert where is not None
    rows = known(3, seed=3)
    rows[1, 2] = np.inf

    with np.errstate(invalid="ignore"):
        found = where.distances(rows)

    assert np.isnan(found).tolist() == [False, True, False]


def test_a_wide_network_gives_a_small_baseline() -> None:
    """The more features, the fewer directions are kept."""
    where = fit(np.random.default_rng(5).normal(size=(120, 4096)))

    assert where is not None
    assert 1 <= where.basis.size <= MAX_NUMBERS


def test_captured_pictures_get_their_distance(tmp_path: Path) -> None:
    """From captured files to a decision: pictures unlike the known ones are found by their distance alone."""
    known_ones = [png(seed) for seed in range(400)]
    write(tmp_path, NOON, "a", b"\n".join(line(record(each, (0.9, 0.05))) for each in map(png, range(1000, 1060))))
    write(tmp_path, NOON, "b", line(record(None, (0.2, 0.7))) + b"\n" + line(record(png(1000), (0.9, 0.05))))
    small = np.stack([np.asarray(Image.open(io.BytesIO(each))) for each in known_ones])
    where = fit(coarse(small[:250]))
    assert where is not None
    # Of other pictures than those it was fitted to, which lie nearer than any that come later.
    usual = where.distances(coarse(small[250:]))
    found = summarise(open_source(str(tmp_path)), threshold=0.8)

    sample = with_distances(found.sample, found.pictures, where, coarse)
    far = with_distances(found.sample, found.pictures, where, lambda images: coarse(255 - images[:, ::-1] // 2))
    before = compose({NAME: usual}, {}, threshold=0.8, model_version="m", made_from="x", made_at="y")

    assert len(found.pictures) == 60
    assert np.isnan(sample[NAME]).sum() == 1
    assert not check(before, sample).drifted
    assert check(before, far).words.startswith("Pictures are less like those that the model learnt from: distance")
    assert with_distances(found.sample, {}, where, coarse) is found.sample


def coarse(images: np.ndarray) -> np.ndarray:
    """Stands in for a network's features: the light of 16 parts of the picture, by colour."""
    found: np.ndarray = images.reshape(-1, 4, 8, 4, 8, 3).mean(axis=(2, 4)).reshape(len(images), -1)
    return found
