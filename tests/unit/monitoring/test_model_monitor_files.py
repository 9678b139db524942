"""The files in Model Monitor's schema say what the columns say, and nothing that its readers would not take."""

import json
from typing import Any

import numpy as np
import pytest

from monitoring.drift.baseline import MIX
from monitoring.drift.decision import KINDS, check
from monitoring.model_monitor import files
from tests.unit.monitoring import drawn_columns


def feature(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in found["features"] if each["name"] == name)


@pytest.mark.parametrize("n", [1, 2, 300, 2048, 2049, 4097, 10_000])
def test_statistics_stand_for_every_record(n: int) -> None:
    """Buckets and sketch hold each present number once, however many; the sketch's middle is the middle."""
    rows = drawn_columns.columns(n, 3)

    found = files.statistics(rows, 0.8, 5 * n)

    brightness = feature(found, "brightness")["numerical_statistics"]
    kll = brightness["distribution"]["kll"]
    levels = kll["sketch"]["data"]
    assert found["dataset"] == {"item_count": n, "sampled_from": 5 * n}
    assert brightness["common"] == {"num_present": n, "num_missing": 0}
    assert sum(bucket["count"] for bucket in kll["buckets"]) == n
    assert sum(len(level) * 2**height for height, level in enumerate(levels)) == n
    assert all(len(level) <= files.SKETCH_SIZE for level in levels)
    assert brightness["min"] <= brightness["mean"] <= brightness["max"]
    weighted = np.concatenate([np.repeat(level, 2**height) for height, level in enumerate(levels)])
    assert np.median(weighted) == pytest.approx(np.median(rows["brightness"]), abs=0.005)


def test_what_is_missing_is_counted_and_left_out() -> None:
    """A record without a picture has no brightness; a column without any number is of an unknown type."""
    rows = drawn_columns.columns(50, 3)
    rows["brightness"][:20] = np.nan
    rows["contrast"][:] = np.nan

    found = files.statistics(rows, 0.8, 50)

    assert feature(found, "brightness")["numerical_statistics"]["common"] == {"num_present": 30, "num_missing": 20}
    assert feature(found, "contrast")["inferred_type"] == "Unknown"
    assert "NaN" not in json.dumps(found, allow_nan=False)


def test_labels_are_counted_as_words() -> None:
    """A string feature with its categories."""
    found = feature(files.statistics(drawn_columns.columns(200, 3), 0.8, 200), "label")["string_statistics"]

    buckets = found["distribution"]["categorical"]["buckets"]
    assert sum(bucket["count"] for bucket in buckets) == found["common"]["num_present"] == 200
    assert {bucket["value"] for bucket in buckets} <= set(MIX)
    assert found["distinct_count"] == len(buckets)


def test_no_record_gives_files_too() -> None:
    """A quiet window has statistics of nothing, not an error."""
    empty = {name: values[:0] for name, values in drawn_columns.columns(1, 1).items()}

    found = files.statistics(empty, 0.8, 0)

    assert found["dataset"]["item_count"] == 0


def test_constraints_name_what_the_baseline_measures() -> None:
    """Each column with type, completeness and sign, and the label with its words."""
    baseline = drawn_columns.baseline()

    found = files.constraints(baseline)

    assert {each["name"] for each in found["features"]} == {*(set(baseline.columns) & set(KINDS)), "label"}
    assert feature(found, "confidence")["num_constraints"] == {"is_non_negative": True}
    assert feature(found, "label")["string_constraints"] == {"domains": list(MIX)}
    assert found["monitoring_config"]["distribution_constraints"]["perform_comparison"] == "Disabled"


def test_violations_are_the_changes_in_words() -> None:
    """One for each measurement that changed, of a type that Model Monitor knows; none when nothing did."""
    baseline = drawn_columns.baseline()
    steady = check(baseline, drawn_columns.sample(drawn_columns.columns(300, 5)))
    moved = check(baseline, drawn_columns.sample(drawn_columns.columns(300, 5, shift={"warmth": 1.0}, others=0.5)))

    found = files.violations(moved)["violations"]

    assert files.violations(steady) == {"violations": []}
    assert {each["feature_name"] for each in found} >= {"warmth", "label"}
    assert {each["constraint_check_type"] for each in found} == {"baseline_drift_check"}
    assert all(each["description"] for each in found)
