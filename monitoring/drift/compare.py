"""One column now against the same column before: how likely such a difference is by chance alone.

The tests are scipy's: the two-sample Cramér–von Mises test, which sees shifts as well as other shapes, and the
chi-square test, by random tables where counts are small. Beside each stands a tolerance: with pictures enough, any
baseline differs measurably from the days after it, and a difference that small is no news. A p-value is that of the
least favourable of 'nothing changed' and 'it changed by the tolerance, and by nothing else'.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from monitoring.measure import Numbers

# In spreads (standard deviations) of the baseline, and in shares of all answers.
TOLERATED_SHIFT: Final = 0.05
TOLERATED_SHARE: Final = 0.02
# Fewer values than this say nothing; the exact test could not reach the alarm's level either.
MIN_VALUES: Final = 5
# Below so many expected in a cell, chi-square's own distribution is no good guide.
MIN_EXPECTED: Final = 5.0
RANDOM_TABLES: Final = 9999
# From here on a p-value can change no decision, and need not be found more exactly.
_PLAINLY_CHANCE: Final = 0.2


@dataclass(frozen=True)
class Difference:
    """How likely by chance, and how far in spreads of the baseline."""

    p_value: float
    shift: float


def compare_numbers(before: Numbers, now: Numbers, tolerated: float = TOLERATED_SHIFT) -> Difference:
    """Two sets of finite numbers, each of at least MIN_VALUES."""
    spread = _spread(before)
    shift = _in_spreads(float(now.mean() - before.mean()), spread or _spread(np.concatenate([before, now])))
    p_value = _cramer_von_mises(before, now)
    if spread * tolerated > 0 and p_value < _PLAINLY_CHANCE:
        # As far as the tolerance goes, the difference is taken away where the middle of the numbers went.
        middle = float(np.median(now) - np.median(before))
        for distance in (middle, float(now.mean() - before.mean())):
            allowed = float(np.clip(distance, -tolerated * spread, tolerated * spread))
            p_value = max(p_value, _cramer_von_mises(before, now - allowed))
    return Difference(p_value, shift)


def compare_counts(before: Mapping[str, int], now: Mapping[str, int], tolerated: float = TOLERATED_SHARE) -> Difference:
    """Two counts of the same categories, neither of them empty; the shift is that of `most_changed`."""
    names = [name for name in before if before[name] or now.get(name, 0)]
    old = np.array([before[name] for name in names], dtype=np.float64)
    new = np.array([now.get(name, 0) for name in names], dtype=np.float64)
    if len(names) < 2:
        return Difference(1.0, 0.0)
    name = most_changed(before, now)
    share, share_now = before[name] / old.sum(), now.get(name, 0) / new.sum()
    pooled = (before[name] + now.get(name, 0)) / (old.sum() + new.sum())
    shift = _in_spreads(float(share_now - share), float(np.sqrt(pooled * (1 - pooled))))
    p_value = _chi_square(old, new)
    if tolerated > 0 and p_value < _PLAINLY_CHANCE:
        p_value = max(p_value, _chi_square(old, _drawn_back(old, new, tolerated)))
    return Difference(p_value, shift)


def most_changed(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    """The category whose share moved furthest beyond its own chance."""
    total, total_now = sum(before.values()), sum(now.values())

    def moved(name: str) -> float:
        pooled = (before[name] + now.get(name, 0)) / (total + total_now)
        gap = abs(now.get(name, 0) / total_now - before[name] / total)
        return float(gap / np.sqrt(pooled * (1 - pooled))) if 0 < pooled < 1 else 0.0

    return max(before, key=moved)


def holm(p_values: Numbers) -> Numbers:
    """Holm's adjustment: alarms at a level over all together, however the measurements hang together."""
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def _cramer_von_mises(before: Numbers, now: Numbers) -> float:
    both = np.concatenate([before, now])
    distinct = len(np.unique(both))
    if distinct == 1:
        return 1.0
    if distinct < len(both):
        # The test is for numbers that are all different: equal ones are put in a random order, which depends on the
        # data alone. That keeps its false alarms right, which its own handling of ties does not.
        chance = np.random.default_rng(zlib.crc32(both.tobytes())).random(len(both))
        ranks = np.empty(len(both))
        ranks[np.lexsort((chance, both))] = np.arange(len(both))
        before, now = ranks[: len(before)], ranks[len(before) :]
    return float(stats.cramervonmises_2samp(before, now).pvalue)


def _chi_square(old: Numbers, new: Numbers) -> float:
    # What both have none of, after the new shares were drawn back as well, is no category.
    used = (old + new) > 0
    old, new = old[used], new[used]
    if len(old) < 2:
        return 1.0
    table = np.stack([old, new])
    tested = stats.chi2_contingency(table, correction=False)
    if tested.pvalue >= _PLAINLY_CHANCE or tested.expected_freq.min() >= MIN_EXPECTED:
        return float(tested.pvalue)
    whole = np.stack([old, _whole(new)])
    chance = stats.MonteCarloMethod(n_resamples=RANDOM_TABLES, rng=np.random.default_rng(zlib.crc32(whole.tobytes())))
    whole = whole[:, whole.sum(axis=0) > 0].astype(np.int64)
    if whole.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(whole, correction=False, method=chance).pvalue)


def _drawn_back(old: Numbers, new: Numbers, tolerated: float) -> Numbers:
    """The new counts with their shares moved towards the old ones by what is tolerated."""
    share, share_now = old / old.sum(), new / new.sum()
    distance = 0.5 * float(np.abs(share_now - share).sum())
    kept = max(0.0, 1 - tolerated / distance) if distance else 0.0
    drawn_back: Numbers = new.sum() * (share + kept * (share_now - share))
    return drawn_back


def _whole(counts: Numbers) -> Numbers:
    """Whole numbers with the same sum: the largest remainders are rounded up."""
    down = np.floor(counts + 1e-9)
    missing = round(float(counts.sum() - down.sum()))
    down[np.argsort(down - counts, kind="stable")[:missing]] += 1
    return down


def _spread(values: Numbers) -> float:
    """The standard deviation; 0 where only rounding makes one."""
    return float(values.std()) if float(np.ptp(values)) > 0 else 0.0


def _in_spreads(distance: float, spread: float) -> float:
    return distance / spread if spread > 0 else 0.0
