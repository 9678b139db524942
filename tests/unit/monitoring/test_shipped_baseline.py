"""The baseline that comes with the checkout belongs to the model beside it."""

from pathlib import Path

import pytest

from monitoring.drift.baseline import CONFIDENCE, MAX_BYTES, Baseline, load
from monitoring.drift.calibrated import ALL, PASSED, PLAIN
from monitoring.drift.decision import needed
from monitoring.drift.embedding import NAME as EMBEDDING
from monitoring.drift.making import TRIED, Most
from monitoring.measure import MEASURES
from training.artefact import DEFAULT_MODEL, Model, load_model
from training.session import gives_features

# The part of its training data that the baseline is made from: what is counted here, the model never learnt from.
MADE_FROM = "validation photos_learn"


@pytest.fixture(scope="module")
def model() -> Model:
    """The shipped model."""
    return load_model(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def shipped() -> Baseline:
    """The shipped baseline."""
    return load(DEFAULT_MODEL.parent / "baseline.json")


def test_it_is_of_this_model(model: Model, shipped: Baseline) -> None:
    """Version and threshold are the model's: made anew with `vehiclevision baseline` whenever the model is."""
    assert shipped.model_version == model.manifest.version
    assert shipped.threshold == model.manifest.threshold


def test_it_has_a_column_for_all_that_is_measured(model: Model, shipped: Baseline) -> None:
    """Measurements of many vehicles, answers to those that the model never learnt from."""
    metrics = model.manifest.fields["metrics"][MADE_FROM]
    (measured,) = {len(shipped.columns[name]) for name in MEASURES}

    assert set(shipped.columns) - {EMBEDDING} == {*MEASURES, CONFIDENCE}
    assert (EMBEDDING in shipped.columns) == gives_features(model.session)
    assert len(shipped.columns[CONFIDENCE]) == sum(shipped.mix.values()) == min(metrics["n"], Most().pictures)
    assert measured >= 4 * len(shipped.columns[CONFIDENCE]) or measured >= Most().pictures


def test_its_answers_are_those_of_the_evaluation(model: Model, shipped: Baseline) -> None:
    """As large a share of answers passes as the model's own evaluation counted."""
    metrics = model.manifest.fields["metrics"][MADE_FROM]
    passed = (shipped.mix["bicycle"] + shipped.mix["motorcycle"]) / sum(shipped.mix.values())

    # That evaluation calibrates each half by the other; the model at hand is calibrated by both.
    assert passed == pytest.approx(metrics["coverage_count"] / metrics["n"], abs=0.03)


def test_a_day_of_three_hundred_pictures_is_enough(shipped: Baseline) -> None:
    """A check says that nothing changed from fewer than 300 pictures on."""
    assert 0 < needed(shipped) <= 300


def test_accuracy_can_be_estimated_with_it(shipped: Baseline) -> None:
    """Its calibration was tried, and was near the truth on pictures as they are."""
    calibration = shipped.calibration

    assert calibration is not None
    assert set(calibration.kinds) == {PLAIN, *TRIED}
    assert max(abs(calibration.kinds[PLAIN].errors[of]) for of in (ALL, PASSED)) <= 0.03


def test_it_is_small(root: Path) -> None:
    """It lies in the checkout and is read in Lambda."""
    assert (root / "training" / "model" / "baseline.json").stat().st_size <= MAX_BYTES
