"""The distance in a network's features: near for pictures like the known ones, far for others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from monitoring.captures.source import open_source
from monitoring.drift.baseline import compose
from monitoring.drift.decision import check
from monitoring.drift.embedding import DIRECTIONS, MAX_NUMBERS, MIN_PICTURES, NAME, fit, with_distances
from monitoring.labels import digest_of
from monitoring.measure import see
from monitoring.summary import Sample, summarise
from tests.unit.monitoring.capture_lines import NOON, line, png, record, write
from training.data.pictures import stacked
from vehiclevision.labels import MODEL_INPUT_SIDE

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


@pytest.mark.parametrize(("features", "directions"), [(1280, DIRECTIONS), (4096, MAX_NUMBERS // 4096)])
def test_a_wide_network_gives_a_small_baseline(features: int, directions: int) -> None:
    """The more features, the fewer directions are kept."""
    where = fit(np.random.default_rng(5).normal(size=(120, features)))

    assert where is not None
    assert len(where.basis) == directions
    assert where.basis.size <= MAX_NUMBERS


def wide(n: int, seed: int) -> np.ndarray:
    """Features of a wide network: far more of them than pictures, most of the variance in a few hundred directions."""
    shape = np.random.default_rng(98).normal(size=(300, 1280)) * np.linspace(2, 0.05, 300)[:, np.newaxis]
    chance = np.random.default_rng(seed)
    return np.maximum(chance.normal(size=(n, 300)) @ shape + 0.3 * chance.normal(size=(n, 1280)), 0)


def test_in_a_wide_network_unseen_pictures_do_not_alarm_and_strange_ones_do() -> None:
    """With fewer pictures than features: what comes later is held against distances of pictures unseen like itself."""
    where = fit(wide(200, 0))
    assert where is not None
    usual = where.distances(wide(150, 1))
    before = compose({NAME: usual}, {}, threshold=0.8, model_version="m", made_from="x", made_at="y")

    def drifted(features: np.ndarray) -> bool:
        distances = where.distances(features)
        columns = {NAME: distances, "pixels": np.full(len(distances), 4.7)}
        return check(before, Sample(columns, ("",) * len(distances))).drifted

    assert sum(drifted(wide(200, 100 + day)) for day in range(10)) <= 1
    strange = wide(200, 2)
    strange[:, ::20] += 15
    assert drifted(strange)


def test_captured_pictures_get_their_distance(tmp_path: Path) -> None:
    """From captured files to a decision: pictures unlike the known ones are found by their distance alone."""
    known_ones = [png(seed, side=40) for seed in range(400)]
    later = [line(record(png(seed, side=40), (0.9, 0.05))) for seed in range(1000, 1060)]
    write(tmp_path, NOON, "a", b"\n".join(later))
    write(tmp_path, NOON, "b", line(record(None, (0.2, 0.7))) + b"\n" + later[0])
    shown = [see(each) for each in known_ones]
    small = [seen.as_model_sees_it() for seen in shown if seen]
    where = fit(coarse(small[:250]))
    assert where is not None
    # Of other pictures than those it was fitted to, which lie nearer than any that come later.
    usual = where.distances(coarse(small[250:]))
    found = summarise(open_source(str(tmp_path)), threshold=0.8)

    sample = with_distances(found.sample, found.pictures, where, coarse)
    far = with_distances(found.sample, found.pictures, where, lambda files: 255 - coarse(files)[:, ::-1] / 2)
    before = compose({NAME: usual}, {}, threshold=0.8, model_version="m", made_from="x", made_at="y")

    assert len(found.pictures) == 60
    assert np.isnan(sample[NAME]).sum() == 1
    assert not check(before, sample).drifted
    assert check(before, far).words.startswith("Pictures are less like those that the model learnt from: distance")
    assert with_distances(found.sample, {}, where, coarse) is found.sample


def test_what_earlier_releases_sent_has_no_distance(tmp_path: Path) -> None:
    """32 x 32 pixels are far from all that a model of 224 pixels knows, which is no news about the photos."""
    pictures = [png(1), png(2, side=40)]
    write(tmp_path, NOON, "a", b"\n".join(line(record(each, (0.9, 0.05))) for each in pictures))
    where = fit(np.random.default_rng(5).normal(size=(120, 48)))
    assert where is not None
    found = summarise(open_source(str(tmp_path)), threshold=0.8)

    sample = with_distances(found.sample, found.pictures, where, coarse)

    assert dict(zip(sample.digest, np.isfinite(sample[NAME]).tolist(), strict=True)) == {
        digest_of(pictures[0]): False,
        digest_of(pictures[1]): True,
    }


def coarse(files: Sequence[bytes]) -> np.ndarray:
    """Stands in for a network's features: the light of 16 parts of the picture, by colour."""
    parts = stacked(files).reshape(-1, 4, MODEL_INPUT_SIDE // 4, 4, MODEL_INPUT_SIDE // 4, 3)
    found: np.ndarray = parts.mean(axis=(2, 4)).reshape(len(files), -1)
    return found
