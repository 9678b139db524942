"""A baseline is one small file of numbers, and any other file is refused in words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.drift.baseline import (
    MAX_BYTES,
    MAX_VALUES,
    MIX,
    SIGNIFICANT_DIGITS,
    compose,
    load,
    mix_of,
    parse,
    rounded,
)
from monitoring.drift.calibrated import ALL, FEATURES, MEASURED, PASSED, PLAIN, Calibration, Kind
from monitoring.drift.embedding import fit
from monitoring.errors import BaselineError
from tests.unit.monitoring.drawn_columns import THRESHOLD, baseline, columns

CALIBRATION = Calibration(
    coefficients=np.full(len(FEATURES), 1.5),
    covariance=np.eye(len(FEATURES)),
    vehicle_share=0.5,
    mean=np.zeros(len(MEASURED)),
    spread=np.ones(len(MEASURED)),
    kinds={PLAIN: Kind(np.zeros(len(MEASURED)), {ALL: 0.0, PASSED: 0.01})},
    systematic={ALL: 0.0, PASSED: 0.01},
)


def fields() -> dict[str, Any]:
    """A sound file's content."""
    found: dict[str, Any] = json.loads(baseline(50).as_json())
    return found


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """Every field survives the file, embedding and calibration among them, and the text is the same again."""
    features = np.random.default_rng(0).normal(size=(200, 30))
    made = replace(baseline(300), embedding=fit(features), calibration=CALIBRATION)

    made.save(tmp_path / "deep" / "baseline.json")
    found = load(tmp_path / "deep" / "baseline.json")

    assert found.as_json() == made.as_json()
    assert found.mix == made.mix
    assert sum(found.mix.values()) == 300
    for name, values in made.columns.items():
        assert found.columns[name].tolist() == values.tolist()


def test_the_largest_baseline_fits_the_file() -> None:
    """Every column full, and an embedding of 1,280 features, stay below the limit."""
    chance = np.random.default_rng(0)
    rows = columns(3 * MAX_VALUES, 1)
    kept = {name: -chance.random(3 * MAX_VALUES) / 7 for name in ("brightness", "contrast", "sharpness", "saturation")}
    kept |= {name: chance.random(3 * MAX_VALUES) / 7 for name in ("warmth", "pixels", "confidence", "embedding")}
    found = compose(
        kept,
        rows,
        threshold=THRESHOLD,
        model_version="m",
        made_from="x",
        made_at="y",
        embedding=fit(-chance.random(size=(400, 1280)) / 7),
    )

    text = found.as_json().encode()

    assert len(text) <= MAX_BYTES
    assert {len(values) for values in parse(text).columns.values()} == {MAX_VALUES}


def test_answers_are_counted_as_the_workflow_decides() -> None:
    """At the threshold an answer passes; below it a person decides; below one half no label is likely."""
    answers = {"bicycle": [0.8, 0.1, 0.79, 0.2, 0.5, np.nan], "motorcycle": [0.1, 0.9, 0.1, 0.2, 0.5, 0.9]}

    assert mix_of(answers, 0.8) == {"bicycle": 1, "motorcycle": 1, "review": 2, "neither": 1}
    assert mix_of({}, 0.8) == dict.fromkeys(MIX, 0)


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_rounding_is_that_of_the_text(value: float) -> None:
    """A number is rounded to so many digits, and rounding again or writing it as text changes nothing."""
    once = float(rounded([value])[0])

    assert once == pytest.approx(float(f"{value:.{SIGNIFICANT_DIGITS}g}"), rel=1e-12, abs=1e-12)
    assert float(rounded([once])[0]) == once
    assert json.loads(json.dumps(once)) == once


BROKEN: dict[str, Any] = {
    "format": [0, 3, True, "2", None],
    "columns": [None, {}, [], {"brightness": []}, {"brightness": "1"}, {"brightness": [1, None]}]
    + [{"brightness": [True]}, {"brightness": [10**400]}, {"brightness": [1e10]}, {"brightness": [[1]]}]
    + [{"brightness": [0.5] * (MAX_VALUES + 1)}, {str(number): [1] for number in range(30)}, {"a\nb": [1]}, {"": [1]}],
    "mix": [None, {}, [1, 2, 3, 4], dict.fromkeys(MIX, -1), dict.fromkeys(MIX, 1.5), dict.fromkeys(MIX, True)]
    + [{**dict.fromkeys(MIX, 1), "more": 1}, dict.fromkeys(MIX, 10**30)],
    "threshold": [None, -0.1, 1.1, "0.8", True, [0.8]],
    "model_version": [None, "", 7, "x" * 301, "a\x1b[2Jb"],
    "made_from": [None, ["x"]],
    "made_at": [None, "a\nb"],
    "calibration": [[1], "x", 3],
    "embedding": [1, [], {}, {"mean": [1, 2], "basis": [1, 2, 3], "left_over": 1}]
    + [{"mean": [1, 2], "basis": [1, 2], "left_over": left} for left in (0, -1, None, "1")]
    + [{"mean": [1, 2], "basis": [1, 2, 0, 0], "left_over": 1}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BROKEN.items() for value in values])
def test_a_field_that_is_not_what_it_must_be_is_refused(name: str, value: object) -> None:
    """One wrong field is enough, and the error says what to do."""
    with pytest.raises(BaselineError, match="refused") as caught:
        parse(json.dumps({**fields(), name: value}).encode())

    assert "vehiclevision baseline" in caught.value.hint


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in ("calibration", "embedding")])
def test_a_field_that_is_missing_is_refused(name: str) -> None:
    """Nothing is made up for it."""
    with pytest.raises(BaselineError):
        parse(json.dumps({key: value for key, value in fields().items() if key != name}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"format": NaN}',
        b'{"format": 2, "columns": {"a": [Infinity]}}',
        b" " * (MAX_BYTES + 1),
        b"\x80\x04\x95",
    ],
)
def test_a_file_that_is_no_baseline_is_refused(data: bytes) -> None:
    """Broken JSON, NaN, a pickle, depth and length end in a sentence."""
    with pytest.raises(BaselineError):
        load(data)


@given(st.binary(max_size=300))
def test_no_bytes_crash_it(data: bytes) -> None:
    """Whatever comes is a baseline or BaselineError."""
    with pytest.raises(BaselineError):
        parse(data)


def test_a_baseline_of_an_earlier_release_is_refused_by_name() -> None:
    """It was measured for a model of 32 pixels; the hint says that a new one can be made."""
    with pytest.raises(BaselineError, match="made by an earlier release, whose model looked at 32 x 32") as caught:
        parse(json.dumps({**fields(), "format": 1}).encode())

    assert caught.value.hint == "Make a new one with: vehiclevision baseline"


def test_a_missing_file_is_said_by_name(tmp_path: Path) -> None:
    """The path stands in the sentence."""
    with pytest.raises(BaselineError, match=r"nothing\.json cannot be read"):
        load(tmp_path / "nothing.json")


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    """A baseline that the loader would refuse leaves no file behind."""
    with pytest.raises(BaselineError):
        replace(baseline(50), made_from="").save(tmp_path / "baseline.json")

    assert not (tmp_path / "baseline.json").exists()
