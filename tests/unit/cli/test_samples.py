"""The demo's pictures: valid where they should be, broken where they should be."""

import pytest

from cli import samples
from cli.samples import Sample
from training.artefact import DEFAULT_MODEL, load_model
from training.data.pictures import normalised, stacked
from vehiclevision.errors import InvalidImageError
from vehiclevision.image_gate import normalise
from vehiclevision.labels import LABELS
from vehiclevision.record import Outcome


@pytest.fixture(scope="module")
def drawn() -> list[Sample]:
    """All samples."""
    return samples.of()


def test_each_kind_is_there(drawn: list[Sample]) -> None:
    """There are several of both vehicles, several others, and several broken files, all with names of their own."""
    kinds = [sample.label or sample.outcome for sample in drawn]

    for kind in (*LABELS, Outcome.NEEDS_REVIEW, Outcome.REJECTED):
        assert kinds.count(kind) >= 4
    assert len({sample.name for sample in drawn}) == len(drawn)
    assert max(len(sample.name) for sample in drawn) <= 25


def test_only_vehicles_with_a_label_are_shown() -> None:
    """Where vehicles.toml names others, the demo shows those that it has, and the rest of its pictures."""
    kinds = {sample.label for sample in samples.of(("car", "bicycle", "scooter"))}

    assert kinds == {"bicycle", None}


def test_whole_pictures_pass_the_gate_and_broken_ones_do_not(drawn: list[Sample]) -> None:
    """The image gate takes exactly those that are meant to be taken."""
    for sample in drawn:
        if sample.outcome is Outcome.REJECTED:
            with pytest.raises(InvalidImageError):
                normalise(sample.content)
        else:
            assert normalise(sample.content).measurements.width >= 256


def test_broken_ones_break_in_different_ways(drawn: list[Sample]) -> None:
    """Each broken file shows another reason."""
    reasons = set()
    for sample in drawn:
        if sample.outcome is Outcome.REJECTED:
            with pytest.raises(InvalidImageError) as caught:
                normalise(sample.content)
            reasons.add(caught.value.reason)

    assert len(reasons) == sum(sample.outcome is Outcome.REJECTED for sample in drawn)


def test_the_shipped_model_sees_what_was_drawn(drawn: list[Sample]) -> None:
    """Every vehicle passes the model's own threshold under its own label, and nothing else does."""
    model = load_model(DEFAULT_MODEL)
    whole = [sample for sample in drawn if sample.outcome is not Outcome.REJECTED]

    answers = model.predict(stacked([normalised(sample.content) for sample in whole]))

    for sample, answer in zip(whole, answers, strict=True):
        passes = float(answer.max()) >= model.manifest.threshold
        assert (LABELS[int(answer.argmax())] if passes else None) == sample.label, (sample.name, answer)


def test_only_vehicles_have_a_label(drawn: list[Sample]) -> None:
    """A label stands on exactly those that should be classified."""
    for sample in drawn:
        assert (sample.label in LABELS) == (sample.outcome is Outcome.CLASSIFIED)
