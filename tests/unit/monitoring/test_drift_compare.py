"""Two columns are told apart as scipy's tests tell them apart, with ties, small numbers and a tolerance."""

import numpy as np
import pytest
from scipy import stats

from monitoring.drift.compare import TOLERATED_SHIFT, compare_counts, compare_numbers, holm, most_changed


def test_without_a_tolerance_the_p_value_is_scipys() -> None:
    """Numbers that are all different get the p-value of scipy's two-sample Cramér–von Mises test."""
    chance = np.random.default_rng(0)
    before, now = chance.normal(0, 1, 400), chance.normal(0.15, 1, 90)

    found = compare_numbers(before, now, 0.0)

    assert found.p_value == pytest.approx(float(stats.cramervonmises_2samp(before, now).pvalue))
    assert found.shift == pytest.approx(float((now.mean() - before.mean()) / before.std()))


def test_a_shift_within_the_tolerance_is_no_change_however_many_pictures_show_it() -> None:
    """A million pictures would prove a shift of a thousandth: it is still not worth an alarm; a large one is."""
    before = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    just_inside, outside = before + 0.9 * TOLERATED_SHIFT, before + 4 * TOLERATED_SHIFT

    assert compare_numbers(before, just_inside, 0.0).p_value < 0.01
    assert compare_numbers(before, just_inside).p_value > 0.5
    assert compare_numbers(before, outside).p_value < 1e-6


@pytest.mark.parametrize("levels", [1, 2, 3, 20])
def test_equal_values_raise_no_false_alarms(levels: int) -> None:
    """Columns with few different values alarm at the level asked for, or below."""
    chance = np.random.default_rng(levels)

    p_values = [
        compare_numbers(chance.integers(0, levels, 300) / 7, chance.integers(0, levels, 60) / 7).p_value
        for _ in range(150)
    ]

    assert np.mean(np.array(p_values) <= 0.05) <= 0.11


def test_a_constant_that_changed_is_found() -> None:
    """All pictures of one size, then all of another."""
    found = compare_numbers(np.full(500, 3.0103), np.full(30, 6.0))

    assert found.p_value < 1e-6
    assert found.shift > 0


def test_constants_that_agree_are_the_same() -> None:
    """Nothing differs, nothing is divided by zero."""
    found = compare_numbers(np.full(500, 3.0103), np.full(30, 3.0103))

    assert (found.p_value, found.shift) == (1.0, 0.0)


def test_few_counts_are_compared_by_random_tables() -> None:
    """Where chi-square's own distribution is no guide, false alarms stay at the level."""
    chance = np.random.default_rng(3)
    names, shares = ("a", "b", "c", "d"), (0.48, 0.47, 0.03, 0.02)

    def counts(n: int) -> dict[str, int]:
        return dict(zip(names, chance.multinomial(n, shares).tolist(), strict=True))

    p_values = np.array([compare_counts(counts(200), counts(30), 0.0).p_value for _ in range(150)])

    assert np.mean(p_values <= 0.05) <= 0.11


def test_a_share_that_moved_is_found_and_named() -> None:
    """Twice as many answers for review, out of many that stayed."""
    before, now = {"bicycle": 400, "motorcycle": 400, "review": 200}, {"bicycle": 60, "motorcycle": 65, "review": 75}

    found = compare_counts(before, now)

    assert found.p_value < 1e-4
    assert most_changed(before, now) == "review"
    assert found.shift > 0


def test_a_share_that_moved_by_less_than_is_tolerated_is_no_change() -> None:
    """One answer in a hundred more, in a hundred thousand."""
    before, now = {"bicycle": 50_000, "review": 50_000}, {"bicycle": 51_000, "review": 49_000}

    assert compare_counts(before, now, 0.0).p_value < 0.001
    assert compare_counts(before, now).p_value > 0.5


def test_a_new_category_too_rare_to_matter_is_no_change() -> None:
    """One answer of a kind that the baseline does not have: within the tolerance nothing is left of it."""
    before, now = {"bicycle": 120, "motorcycle": 80, "neither": 0}, {"bicycle": 58, "motorcycle": 39, "neither": 2}

    assert compare_counts(before, now).p_value > 0.05
    assert compare_counts({"a": 5, "b": 0}, {"a": 300, "b": 1}).p_value > 0.05


def test_holm_is_holm() -> None:
    """The adjusted values are those of the textbook: 4 × 0.01, 3 × 0.02, 2 × 0.03, then never less."""
    assert holm(np.array([0.03, 0.01, 0.9, 0.02])).tolist() == pytest.approx([0.06, 0.04, 0.9, 0.06])


def test_the_same_data_gives_the_same_answer() -> None:
    """Chance inside, for ties and random tables, depends on the data alone."""
    chance = np.random.default_rng(5)
    before, now = chance.integers(0, 5, 200).astype(float), chance.integers(0, 4, 50).astype(float)

    assert compare_numbers(before, now) == compare_numbers(before, now)
