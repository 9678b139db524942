"""One decision a check: false alarms within their rate, changes found and named, and no opinion on too little."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from monitoring.drift import power
from monitoring.drift.baseline import CONFIDENCE, compose
from monitoring.drift.compare import compare_numbers
from monitoring.drift.decision import ALARM_RATE, check, needed
from monitoring.errors import MonitoringError
from monitoring.summary import Sample
from tests.unit.monitoring.drawn_columns import THRESHOLD, baseline, columns, sample


@pytest.mark.parametrize("n", [30, 300])
def test_quiet_days_stay_quiet(n: int) -> None:
    """Over all measurements together, a check without a change alarms at most as often as said."""
    alarms = [check(baseline(seed=day), sample(columns(n, 1000 + day))).drifted for day in range(60)]

    # One in a hundred comes to more than four in sixty once in three thousand times.
    assert sum(alarms) <= 4


def test_an_unlucky_baseline_does_not_alarm_for_ever() -> None:
    """A baseline that lies off by chance, against ten thousand pictures a day."""
    chosen = max(range(40), key=lambda seed: abs(float(baseline(300, seed).columns["brightness"].mean()) - 0.5))

    alarms = [check(baseline(300, chosen), sample(columns(10_000, 2000 + day))).drifted for day in range(10)]

    assert sum(alarms) <= 1


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        ({"brightness": -0.5}, "Pictures are darker: brightness 0.50 -> 0.4"),
        ({"sharpness": -1.0}, "Pictures are less sharp: sharpness 0.50 -> 0.39, 1."),
        ({"warmth": 0.8}, "Colours are warmer, more yellow: warmth 0.50 -> 0.5"),
    ],
)
def test_what_changed_is_named_with_its_direction_and_size(shift: dict[str, float], said: str) -> None:
    """The words say which way it went, from what to what, and how far in spreads."""
    found = check(baseline(), sample(columns(300, 7, shift=shift)))

    assert found.drifted
    assert [finding.name for finding in found.changed] == list(shift)
    assert found.words.startswith(said)
    assert found.words.endswith(" spreads.")


def test_other_things_in_the_pictures_show_in_the_answers() -> None:
    """A fifth of pictures of no vehicle: more answers name neither."""
    found = check(baseline(), sample(columns(300, 8, others=0.2)))

    assert found.drifted
    assert "More answers that name no vehicle" in found.words


def test_another_spread_around_the_same_middle_is_found() -> None:
    """Half the pictures much darker, half much brighter: the mean says nothing."""
    rows = columns(300, 9)
    rows["brightness"] = 0.5 + np.where(np.arange(300) % 2, 0.2, -0.2) + (rows["brightness"] - 0.5) / 4

    found = check(baseline(), sample(rows))

    assert found.drifted
    assert "lies differently around the same middle" in found.words


def test_too_few_pictures_say_how_many_more() -> None:
    """Below what it takes nothing is said to be well, and the number asked for is the number it takes."""
    few = check(baseline(), sample(columns(100, 10)))
    missing = few.more_needed
    enough = check(baseline(), sample(columns(100 + missing, 10)))

    assert (few.drifted, few.enough) == (False, False)
    assert few.words == f"Cannot tell yet: {missing:,} more pictures are needed."
    assert (enough.enough, enough.more_needed) == (True, 0)
    assert enough.words.startswith("Nothing changed in ")


def test_so_many_pictures_do_find_the_smallest_change_that_matters() -> None:
    """The number asked for keeps its promise: nine times in ten, at the level of one column among eight."""
    level = ALARM_RATE / 8
    n = power.needed_for_numbers(1000, level)
    assert n is not None
    chance = np.random.default_rng(11)

    found = [
        compare_numbers(chance.normal(0, 1, 1000), chance.normal(power.SHIFT_THAT_MATTERS, 1, n)).p_value <= level
        for _ in range(200)
    ]

    assert np.mean(found) >= power.POWER - 0.04


def test_nothing_at_all_is_no_verdict() -> None:
    """No picture: not drift, not enough, and a number to wait for."""
    found = check(baseline(), sample(columns(0, 0)))

    assert (found.drifted, found.enough, found.n) == (False, False, 0)
    assert found.more_needed == needed(baseline())
    assert found.words == f"Cannot tell: there is no picture yet; it takes {found.more_needed}."


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6])
def test_a_handful_of_pictures_is_no_crash(n: int) -> None:
    """From one picture on there is a decision that waits for more."""
    found = check(baseline(), sample(columns(n, 12)))

    assert not found.enough
    assert found.n == n


def test_a_picture_that_came_again_counts_once() -> None:
    """A retry ten times over is one picture: neither more certain nor enough."""
    rows = columns(40, 13, shift={"brightness": 0.5})
    digests = sample(rows).digest
    again = Sample({name: np.tile(values, 10) for name, values in rows.items()}, digests * 10)

    once, repeated = check(baseline(), sample(rows)), check(baseline(), again)

    assert repeated == once
    assert repeated.n == 40


def test_records_without_a_picture_each_count() -> None:
    """No picture, no digest: their answers are still so many answers."""
    rows = columns(400, 14)
    for name in rows:
        if name not in (CONFIDENCE, "bicycle", "motorcycle"):
            rows[name] = np.full(400, np.nan)

    found = check(baseline(), Sample(rows, ("",) * 400))

    assert found.n == 400
    assert [finding.name for finding in found.findings] == [CONFIDENCE, "mix"]
    assert set(found.not_compared) >= {"brightness", "warmth", "pixels"}


def test_what_the_baseline_lacks_is_left_out_and_said() -> None:
    """A baseline without confidences judges the pictures alone."""
    rows = columns(800, 15)
    pictures_only = compose(
        {"brightness": rows["brightness"]}, {}, threshold=THRESHOLD, model_version="m", made_from="x", made_at="y"
    )

    found = check(pictures_only, sample(columns(400, 16)))

    assert [finding.name for finding in found.findings] == ["brightness"]
    assert {CONFIDENCE, "mix", "contrast"} <= set(found.not_compared)


def test_values_that_are_no_numbers_or_beyond_all_measure_are_left_out() -> None:
    """NaN, infinity and nonsense of captured data neither crash nor alarm."""
    rows = columns(400, 17)
    rows["brightness"][:5] = [np.nan, np.inf, -np.inf, 1e300, -1e12]

    found = check(baseline(), sample(rows))

    assert not found.drifted
    assert {finding.name: finding.n for finding in found.findings}["brightness"] == 395


def test_sizes_of_an_earlier_release_are_not_compared() -> None:
    """A release that sends larger pictures is no drift; how many were left out is said, and the rest is compared."""
    before = baseline()
    before = replace(before, columns={**before.columns, "pixels": np.full(1000, np.log10(224 * 224))})

    found = check(before, sample(columns(300, 7)))
    darker = check(before, sample(columns(300, 7, shift={"brightness": -0.8})))

    assert not found.drifted
    assert (found.earlier_pictures, found.not_compared) == (300, ("pixels",))
    assert [finding.name for finding in darker.changed] == ["brightness"]


def test_a_baseline_too_small_to_rule_anything_out_says_so() -> None:
    """Waiting would not help: no number of pictures is asked for."""
    found = check(baseline(100), sample(columns(5000, 18)))

    assert (found.enough, found.more_needed) == (False, 0)
    assert "the baseline is too small" in found.words


def test_what_a_baseline_cannot_rule_out_is_said() -> None:
    """Many measurements beside few answers: nothing changed, but of the answers only so much is known."""
    whole, few = baseline(), baseline(150)
    mixed = replace(whole, columns={**whole.columns, CONFIDENCE: few.columns[CONFIDENCE]}, mix=few.mix)

    found = check(mixed, sample(columns(400, 22)))

    assert found.enough
    assert found.too_few_before == (CONFIDENCE, "mix")
    assert found.words.endswith("too few answers to rule out a smaller change of confidence and mix.")


def test_it_runs_where_there_is_no_model() -> None:
    """Neither decision nor estimate loads what Lambda lacks."""
    script = "import sys, monitoring.drift.decision, monitoring.estimate; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert not {"onnxruntime", "matplotlib", "rich", "typer", "jinja2", "training"} & set(loaded)


def test_a_decision_is_plain_json() -> None:
    """Whatever was found, it can be written without NaN."""
    for rows in (columns(0, 0), columns(50, 19), columns(400, 20, shift={"contrast": 2.0}, others=0.4)):
        text = json.dumps(check(baseline(), sample(rows)).as_json(), allow_nan=False)

        assert json.loads(text)["alarm_rate"] == ALARM_RATE


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_an_alarm_rate_that_is_none_is_refused(rate: float) -> None:
    """Nought, one and nonsense are no rates."""
    with pytest.raises(MonitoringError, match="alarm rate"):
        check(baseline(), sample(columns(50, 21)), alarm_rate=rate)
