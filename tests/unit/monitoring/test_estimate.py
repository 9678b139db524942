"""Accuracy without labels: near the true one where its assumptions hold, and said not to hold where they do not."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from monitoring.drift.baseline import CONFIDENCE, MIX, Baseline, parse
from monitoring.drift.calibrated import MEASURED, Calibration
from monitoring.drift.calibration import MIN_VEHICLES, calibrate, is_right, rows_of
from monitoring.drift.decision import check
from monitoring.errors import BaselineError
from monitoring.estimate import estimate, share_of_vehicles
from monitoring.measure import Numbers, measure_arrays
from monitoring.summary import Sample
from tests.unit.monitoring.drawn_columns import sample
from vehiclevision.labels import LABELS

THRESHOLD = 0.8


def pictures(n: int, seed: int, others: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Noise whose light says what it is, more or less: bicycles darker, motorcycles brighter, others red."""
    chance = np.random.default_rng(seed)
    classes = np.sort(np.where(chance.random(n) < others, 2, chance.integers(0, 2, n)))
    light = chance.normal(0, 1, n) + np.array([-1.5, 1.5, 0.0])[classes]
    base = 128 + 20 * light[:, None, None, None] + chance.normal(0, 25, (n, 32, 32, 3))
    base[..., 0] += 30.0 * (classes == 2)[:, None, None]
    return np.clip(base, 0, 255).astype(np.uint8), classes


def answering(pixels: np.ndarray) -> np.ndarray:
    """A model that knows how the pictures were made, and is right as often as it says."""
    light = (pixels[..., 1:].mean(axis=(1, 2, 3)) - 128) / 20
    red = (pixels[..., 0].mean(axis=(1, 2)) - pixels[..., 1:].mean(axis=(1, 2, 3))) / 30
    vehicle = expit(20 * (0.5 - red))
    motorcycle = expit(3 * light)
    return np.stack([vehicle * (1 - motorcycle), vehicle * motorcycle], axis=1)


def darkened(pixels: np.ndarray) -> np.ndarray:
    """Every picture a little darker: bicycles look like themselves, motorcycles less so."""
    darker: np.ndarray = np.clip(pixels.astype(float) - 12, 0, 255).astype(np.uint8)
    return darker


def seen(**pixels: np.ndarray) -> dict[str, dict[str, Numbers]]:
    """The rows of pictures by what was done to them."""
    return {name: rows_of(np.array_split(own, 3), answering) for name, own in pixels.items()}


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Fitted to 600 pictures, as they are and darkened."""
    pixels, classes = pictures(600, 1, others=1 / 3)
    found = calibrate(seen(plain=pixels, dark=darkened(pixels)), classes, THRESHOLD, 2 / 3)
    assert found is not None
    return found


def captured(pixels: np.ndarray) -> dict[str, Numbers]:
    """Columns as captures give them."""
    answers = answering(pixels)
    return {
        **measure_arrays(pixels),
        **{label: answers[:, number] for number, label in enumerate(LABELS)},
        CONFIDENCE: answers.max(axis=1),
    }


def baseline(calibration: Calibration | None) -> Baseline:
    """A baseline with this calibration."""
    columns = {name: values[:300] for name, values in captured(pictures(300, 2)[0]).items() if name not in LABELS}
    return Baseline(columns, dict.fromkeys(MIX, 50), THRESHOLD, "m", "x", "y", calibration)


@pytest.mark.parametrize("others", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_near_the_truth(calibration: Calibration, others: float, *, dark: bool) -> None:
    """Within three points, of answers that pass and of all, whatever share shows neither vehicle, darkened or not."""
    pixels, classes = pictures(1500, 3, others)
    rows = captured(darkened(pixels) if dark else pixels)
    right, passed = is_right(rows, classes), rows[CONFIDENCE] >= THRESHOLD

    found = estimate(baseline(calibration), sample(rows))

    assert found.passed is not None
    assert found.everything is not None
    assert found.passed.accuracy == pytest.approx(right[passed].mean(), abs=0.03)
    assert found.everything.accuracy == pytest.approx(right.mean(), abs=0.03)
    assert found.passed.low <= found.passed.accuracy <= found.passed.high
    assert (found.passed.n, found.everything.n) == (int(passed.sum()), 1500)


def test_the_truth_lies_in_the_interval(calibration: Calibration) -> None:
    """In at least eight of ten windows; the interval promises nineteen of twenty."""
    inside = []
    for seed in range(10, 20):
        pixels, classes = pictures(200, seed, others=0.1)
        rows = captured(pixels)
        found = estimate(baseline(calibration), sample(rows)).everything
        assert found is not None
        inside.append(found.low <= is_right(rows, classes).mean() <= found.high)

    assert sum(inside) >= 8


def test_pictures_unlike_all_that_was_tried_do_not_hold(calibration: Calibration) -> None:
    """Colours that no trial had: the reason says so, with what the check found."""
    pixels, _ = pictures(500, 4)
    pixels[..., 2] //= 2
    rows = captured(pixels)
    held_against = baseline(calibration)
    decision = check(held_against, sample(rows))

    found = estimate(held_against, sample(rows), decision)

    assert found.everything is not None
    assert not found.everything.holds
    assert found.everything.why.startswith("the pictures are unlike all that the estimate was tried on: ")


def test_a_change_on_which_it_failed_does_not_hold(calibration: Calibration) -> None:
    """Where the trials were off by more than three points, the reason says by how much and which way."""
    dark = calibration.kinds["dark"]
    off = replace(
        calibration, kinds={**calibration.kinds, "dark": replace(dark, errors={"all": 0.05, "passed": -0.04})}
    )
    rows = captured(darkened(pictures(500, 5)[0]))

    found = estimate(baseline(off), sample(rows))

    assert found.passed is not None
    assert found.everything is not None
    assert (found.passed.holds, found.everything.holds) == (False, False)
    assert found.everything.why == (
        "the pictures changed like those of the trial 'dark', which makes it about 5 points too high"
    )
    assert found.passed.why.endswith("4 points too low")


def test_a_few_changed_pictures_are_off_by_a_part_of_what_the_trial_was(calibration: Calibration) -> None:
    """Of 500 pictures 20 are dark, where it was 10 points too high: it is off by two or three, and holds."""
    errors = {"plain": 0.0, "dark": 0.1}
    kinds = {name: replace(calibration.kinds[name], errors={"all": off, "passed": off}) for name, off in errors.items()}
    far_off = replace(calibration, kinds=kinds)
    pixels, _ = pictures(500, 8)
    pixels[::25] = darkened(pixels[::25])

    found = estimate(baseline(far_off), sample(captured(pixels)))

    assert found.passed is not None
    assert found.passed.holds, found.passed.why


def test_without_a_calibration_it_is_the_mean_confidence_and_said_so() -> None:
    """A baseline of foreign captures: an estimate all the same, that does not hold."""
    rows = captured(pictures(200, 6)[0])

    found = estimate(baseline(None), sample(rows))

    assert found.everything is not None
    assert found.everything.accuracy == pytest.approx(rows[CONFIDENCE].mean())
    assert not found.everything.holds
    assert "no calibration" in found.everything.why


def test_few_answers_and_none(calibration: Calibration) -> None:
    """No answer, no estimate; a handful does not hold; without pictures the reason is named."""
    rows = captured(pictures(10, 7)[0])
    blind = {name: np.full(10, np.nan) if name in MEASURED else values for name, values in rows.items()}
    nothing = {name: np.full(10, np.nan) for name in rows}

    few = estimate(baseline(calibration), sample(rows)).everything
    unseen = estimate(baseline(calibration), Sample(blind, ("",) * 10)).everything

    assert few is not None
    assert unseen is not None
    assert few.why == "10 answers are too few to estimate from"
    assert "no pictures" in unseen.why
    assert (few.holds, unseen.holds) == (False, False)
    assert estimate(baseline(calibration), Sample(nothing, ("",) * 10)) == (None, None)


def test_the_share_of_vehicles_is_found_from_the_answers() -> None:
    """Answers of a calibrated model under another share than it was calibrated for."""
    pixels, classes = pictures(2000, 8, others=0.6)

    found = share_of_vehicles(answering(pixels).sum(axis=1), 2 / 3)

    assert found == pytest.approx(np.mean(classes < 2), abs=0.05)


def test_too_few_vehicles_give_no_calibration() -> None:
    """Better none than one of chance."""
    pixels, classes = pictures(MIN_VEHICLES - 1, 9)

    assert calibrate(seen(plain=pixels), classes, THRESHOLD, 0.5) is None


def test_the_same_pictures_give_the_same_calibration() -> None:
    """Nothing in the fit is left to chance."""
    pixels, classes = pictures(240, 11, others=1 / 3)

    first, second = (calibrate(seen(plain=pixels), classes, THRESHOLD, 0.5) for _ in range(2))

    assert first is not None
    assert second is not None
    assert first.as_json() == second.as_json()


def test_a_calibration_survives_its_file(calibration: Calibration) -> None:
    """What is read from a baseline's JSON says what was written."""
    read = parse(baseline(calibration).as_json().encode()).calibration

    assert read is not None
    assert read.as_json() == calibration.as_json()


BROKEN: dict[str, list[Any]] = {
    "features": [None, [], ["constant"]],
    "coefficients": [None, [], [1.0], ["1"] * 8, [float("1e300")] * 8],
    "covariance": [None, [0.0] * 8],
    "vehicle_share": [None, 0, 1, "0.5", True],
    "mean": [None, [1.0]],
    "spread": [None, [0.0] * 5, [-1.0] * 5],
    "kinds": [None, {}, [], {"plain": None}, {"plain": {"shift": [0.0] * 5}}, {"dark": {}}],
    "systematic": [None, {}, {"all": "1", "passed": 0}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BROKEN.items() for value in values])
def test_a_calibration_that_is_none_is_refused(calibration: Calibration, name: str, value: object) -> None:
    """One wrong field is enough."""
    fields = json.loads(baseline(calibration).as_json())
    fields["calibration"][name] = value

    with pytest.raises(BaselineError, match="calibration"):
        parse(json.dumps(fields).encode())
